/**
 * How the server's logs of events are read: that of a task by `seq`, that of the account by its cursor.
 */

import { ProtocolError } from "./errors.js";
import type { Frame } from "./sse.js";
import type { Log } from "./stream.js";
import { type Event, type EventOf, type EventType, isLast } from "./types.js";

/** The log of one task. It ends. */
export function taskLog<T extends EventType>(id: string, types: readonly T[] | undefined): Log<EventOf<T>> {
  return {
    path: ["tasks", id, "events"],
    query: { types },
    gapless: types === undefined,
    read(frame) {
      const event = eventOf(frame);
      return { cursor: wholeNumber(event.seq), value: event as EventOf<T>, last: isLast(event) };
    },
  };
}

/** The log of the account. It has no end. */
export function accountLog<T extends EventType>(types: readonly T[] | undefined): Log<EventOf<T>> {
  return {
    path: ["events"],
    query: { types },
    gapless: false,
    read(frame) {
      const event = eventOf(frame);
      return { cursor: wholeNumber(event.cursor), value: event as EventOf<T>, last: false };
    },
  };
}

function eventOf(frame: Frame): Event {
  try {
    return JSON.parse(frame.data ?? "") as Event;
  } catch (cause) {
    throw new ProtocolError("an event of the stream is no JSON", { cause });
  }
}

function wholeNumber(value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  throw new ProtocolError("an event of the stream has no place in its log");
}
