/** The version of this package, as `package.json` has it. */
export const SDK_VERSION = "0.1.0";
