"""Verifies deliveries of webhooks with the Python library of Standard Webhooks.

Reads a JSON list from the file that is named: for each delivery its headers, its body, when it came (seconds since
1970) and the secrets that have to verify it. Prints how many verifications there were.
"""

import datetime
import json
import sys

import standardwebhooks.webhooks as library


class Clock(datetime.datetime):
    """The time of the delivery in place of the present: the test has a clock of its own."""

    seconds = 0

    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.fromtimestamp(cls.seconds, tz)


def refuses(webhook, body, headers):
    try:
        webhook.verify(body, headers)
    except library.WebhookVerificationError:
        return True
    return False


def main():
    library.datetime = Clock
    verified = 0
    with open(sys.argv[1], encoding="utf-8") as file:
        deliveries = json.load(file)
    for delivery in deliveries:
        headers, body = delivery["headers"], delivery["body"]
        for secret in delivery["secrets"]:
            webhook = library.Webhook(secret)
            Clock.seconds = delivery["at"]
            message = webhook.verify(body, headers)
            assert message["id"] == headers["webhook-id"], headers
            assert refuses(webhook, body + " ", headers), "a changed body"
            assert refuses(webhook, body, {**headers, "webhook-id": "evt_other"}), "another id"
            Clock.seconds += 301
            assert refuses(webhook, body, headers), "an old message"
            verified += 1
        Clock.seconds = delivery["at"]
        stranger = library.Webhook("whsec_c3RyYW5nZXI=")
        assert refuses(stranger, body, headers), "a stranger's secret"
    print(verified)


main()
