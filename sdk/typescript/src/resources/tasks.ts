/**
 * Tasks: making, steering, watching them.
 */

import { taskLog } from "../logs.js";
import { byOffset, Paged } from "../paged.js";
import { EventStream, type StreamOptions } from "../stream.js";
import type { RequestOptions, Transport, WriteOptions } from "../transport.js";
import type {
  CompletedTask,
  CompletedTaskList,
  CreateTask,
  Deliverable,
  Event,
  EventOf,
  EventPage,
  EventType,
  Task,
  TaskList,
  TaskStatus,
  TaskSummary,
  UpdateTaskConfig,
} from "../types.js";

export interface ListTasks {
  /** `completed` is read as `complete`. */
  status?: TaskStatus | "completed" | undefined;
  workspace_id?: string | undefined;
  /** 1 to 100, default 20. When iterating: how many are fetched at once. */
  limit?: number | undefined;
  offset?: number | undefined;
}

export interface ListEvents<T extends EventType = EventType> {
  /** Only events with a greater `seq`. Default 0: from the beginning. */
  after?: number | undefined;
  /** 1 to 1,000, default 100. When iterating: how many are fetched at once. */
  limit?: number | undefined;
  /** Only these types. Default: all. */
  types?: readonly T[] | undefined;
}

export interface TaskStreamOptions<T extends EventType = EventType> extends StreamOptions {
  /** Only these types; the stream still ends with the task. Default: all. */
  types?: readonly T[] | undefined;
}

export interface WaitOptions extends Omit<StreamOptions, "after">, Pick<RequestOptions, "timeout" | "maxRetries"> {
  /** Called with each event of the task, in order; a promise is waited for. */
  onEvent?: ((event: Event) => void | Promise<void>) | undefined;
}

const FINAL_TYPES = ["task.complete", "task.failed", "task.cancelled"] as const;

export class Tasks {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** `POST /tasks`. */
  create(task: CreateTask, options?: WriteOptions): Promise<Task> {
    return this.#transport.json({ method: "POST", path: ["tasks"], json: task }, options);
  }

  /**
   * Makes a task and waits until it is over, whatever came of it: look at `status`. Aborting ends the waiting and not the
   * task.
   */
  async createAndWait(task: CreateTask, options: WaitOptions & WriteOptions = {}): Promise<Task> {
    const { id } = await this.create(task, options);
    return this.wait(id, options);
  }

  /** Waits until a task is over, whatever came of it. Aborting ends the waiting and not the task. */
  async wait(id: string, options: WaitOptions = {}): Promise<Task> {
    const { onEvent, ...rest } = options;
    const stream = this.stream(id, onEvent === undefined ? { ...rest, types: FINAL_TYPES } : rest);
    for await (const event of stream) await onEvent?.(event);
    const { signal, timeout, maxRetries } = options;
    return this.get(id, { signal, timeout, maxRetries });
  }

  /** `GET /tasks`, newest first. */
  list(query: ListTasks = {}, options?: RequestOptions): Paged<TaskList, TaskSummary> {
    const fetch = (offset = query.offset): Promise<TaskList> =>
      this.#transport.json({ method: "GET", path: ["tasks"], query: { ...query, offset } }, options);
    return new Paged(
      () => fetch(),
      () => byOffset(fetch, (page) => page.tasks, query.offset),
    );
  }

  /** `GET /tasks/completed`: complete tasks with the tools they used. */
  listCompleted(
    query: Pick<ListTasks, "limit" | "offset"> = {},
    options?: RequestOptions,
  ): Paged<CompletedTaskList, CompletedTask> {
    const fetch = (offset = query.offset): Promise<CompletedTaskList> =>
      this.#transport.json({ method: "GET", path: ["tasks", "completed"], query: { ...query, offset } }, options);
    return new Paged(
      () => fetch(),
      () => byOffset(fetch, (page) => page.tasks, query.offset),
    );
  }

  /** `GET /tasks/{id}`. */
  get(id: string, options?: RequestOptions): Promise<Task> {
    return this.#transport.json({ method: "GET", path: ["tasks", id] }, options);
  }

  /** `PATCH /tasks/{id}`: the dial and the budget; takes effect at the task's next decision. */
  update(id: string, config: UpdateTaskConfig, options?: RequestOptions): Promise<Task> {
    return this.#transport.json({ method: "PATCH", path: ["tasks", id], json: { config } }, options);
  }

  /** `POST /tasks/{id}/cancel`: every process of it is dead before it says `cancelled`. Its files stay. */
  cancel(id: string, options?: WriteOptions): Promise<void> {
    return this.#transport.command({ method: "POST", path: ["tasks", id, "cancel"] }, options);
  }

  /** `POST /tasks/{id}/pause`: all its agents; the tool calls under way finish first. */
  pause(id: string, options?: WriteOptions): Promise<void> {
    return this.#transport.command({ method: "POST", path: ["tasks", id, "pause"] }, options);
  }

  /** `POST /tasks/{id}/resume`: all its agents go on from where they were. */
  resume(id: string, options?: WriteOptions): Promise<void> {
    return this.#transport.command({ method: "POST", path: ["tasks", id, "resume"] }, options);
  }

  /** `POST /tasks/{id}/guide`: words for every active agent, in its next model call. */
  guide(id: string, message: string, options?: WriteOptions): Promise<void> {
    return this.#transport.command({ method: "POST", path: ["tasks", id, "guide"], json: { message } }, options);
  }

  /** `GET /tasks/{id}/events`: the log so far. Awaited it is a page, iterated over all events there are. */
  events<T extends EventType = EventType>(
    id: string,
    query: ListEvents<T> = {},
    options?: RequestOptions,
  ): Paged<EventPage<T>, EventOf<T>> {
    const fetch = (after = query.after): Promise<EventPage<T>> =>
      this.#transport.json({ method: "GET", path: ["tasks", id, "events"], query: { ...query, after } }, options);
    async function* items(): AsyncGenerator<EventOf<T>, void> {
      let page = await fetch();
      for (;;) {
        yield* page.events;
        if (!page.has_more) return;
        page = await fetch(page.next_after);
      }
    }
    return new Paged(() => fetch(), items);
  }

  /**
   * The task's events as they happen, from the one after `after` (default: the first) to its last. Cuts, a server that is
   * restarted and a machine that slept are got over by the cursor: every event comes once, in order. Leaving the loop
   * cancels nothing.
   */
  stream<T extends EventType = EventType>(id: string, options: TaskStreamOptions<T> = {}): EventStream<EventOf<T>> {
    return new EventStream(this.#transport, taskLog<T>(id, options.types), options);
  }

  /** `GET /tasks/{id}/deliverables`: the files it handed over, with links that work for an hour. */
  deliverables(id: string, options?: RequestOptions): Promise<Deliverable[]> {
    return this.#transport.json({ method: "GET", path: ["tasks", id, "deliverables"] }, options);
  }
}
