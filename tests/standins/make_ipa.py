"""Writes an archive that is an app for the App Store's stand-in."""

import plistlib
import sys
import zipfile

info = {
    "CFBundleIdentifier": "org.example.app",
    "CFBundleShortVersionString": "1.2",
    "CFBundleVersion": "13",
    "CFBundleSupportedPlatforms": ["iPhoneOS"],
}
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("Payload/App.app/Info.plist", plistlib.dumps(info, fmt=plistlib.FMT_BINARY))
    archive.writestr("Payload/App.app/payload", bytes(range(256)) * 1000, zipfile.ZIP_STORED)
