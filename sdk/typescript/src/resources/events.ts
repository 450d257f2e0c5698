/**
 * The account's log: the events of all its tasks, in the order of their commits.
 */

import { accountLog } from "../logs.js";
import { EventStream, type StreamOptions } from "../stream.js";
import type { Transport } from "../transport.js";
import type { EventOf, EventType } from "../types.js";

export interface AccountStreamOptions<T extends EventType = EventType> extends StreamOptions {
  /** Only these types. Default: all. */
  types?: readonly T[] | undefined;
}

export class Events {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * `GET /events`: what happens in all tasks of the account, from the event after the cursor `after` on; without it, from
   * now on. It has no end. The cursor is the account's (`event.cursor`, `stream.cursor`) and not a task's `seq`.
   */
  stream<T extends EventType = EventType>(options: AccountStreamOptions<T> = {}): EventStream<EventOf<T>> {
    return new EventStream(this.#transport, accountLog<T>(options.types), options);
  }
}
