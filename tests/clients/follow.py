"""Follows a task, and the account that it is of, over WebSocket with the library `websockets`.

The one argument is JSON: where the server is, the task's id and the key. Connections may be cut and the server may go
away for a while. Prints, as JSON, the place of each event in the log of the task (`seq`) and of the account (`cursor`),
in the order they came in.
"""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

ENDS = ("task.complete", "task.failed", "task.cancelled")


async def follow(order, task, place):
    seen = []
    headers = {"Authorization": f"Bearer {order['key']}"}
    # The library connects again by itself; we only say where we were.
    async for socket in connect(f"{order['url']}/v1/ws", additional_headers=headers, proxy=None):
        try:
            after = seen[-1] if seen else 0
            await socket.send(json.dumps({"type": "subscribe", "task_id": task, "after": after}))
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "error":
                    sys.exit(message["detail"])
                if "seq" in message:
                    seen.append(message[place])
                if message["type"] in ENDS:
                    return seen
        except ConnectionClosed:
            continue
    return seen


async def main():
    order = json.loads(sys.argv[1])
    task, account = await asyncio.gather(follow(order, order["task"], "seq"), follow(order, None, "cursor"))
    print(json.dumps({"task": task, "account": account}))


asyncio.run(main())
