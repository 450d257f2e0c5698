// All tasks: by state, with a search in what is loaded; more is loaded as one scrolls.

import { memo, useMemo, useRef, useState, useEffect } from "react";
import { useVirtualizer } from "@tanstack/react-virtual";
import type { TaskStatus, TaskSummary } from "../api/types";
import { usePending, useTaskList } from "../live/queries";
import { to } from "../route";
import { Ago, Bones, Button, Empty, Filter, Stale, Trouble } from "../ui/parts";
import { Icon } from "../ui/icons";
import { TaskStatusChip } from "../ui/status";
import { count, money, title } from "../ui/format";
import { useWalk } from "../ui/walk";

const ROW = 44;

const FILTERS: { id: "" | TaskStatus; name: string }[] = [
  { id: "", name: "All" }, { id: "running", name: "Running" }, { id: "planning", name: "Planning" }, { id: "pending", name: "Queued" }, { id: "paused", name: "Paused" }, { id: "complete", name: "Complete" },
  { id: "failed", name: "Failed" }, { id: "cancelled", name: "Cancelled" },
];

export function Tasks() {
  const [status, setStatus] = useState<"" | TaskStatus>("");
  const [words, setWords] = useState("");
  const pending = usePending();
  const { newest: list, behind, total } = useTaskList(status);
  const waits = useMemo(() => {
    const found = new Map<string, number>();
    for (const approval of pending.data?.approvals ?? []) found.set(approval.task_id, (found.get(approval.task_id) ?? 0) + 1);
    return found;
  }, [pending.data]);
  const loaded = useMemo(() => {
    const all = unique([...(list.data?.tasks ?? []), ...(behind.data?.pages.flatMap((page) => page.tasks) ?? [])]);
    return status === "" ? all : all.filter((task) => task.status === status);
  }, [list.data, behind.data, status]);
  const wanted = words.trim().toLowerCase();
  const shown = useMemo(
    () => (wanted === "" ? loaded : loaded.filter((task) => task.prompt.toLowerCase().includes(wanted) || task.id.includes(wanted))),
    [loaded, wanted],
  );
  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = behind;
  // A search looks through everything: the rest is loaded while somebody searches.
  useEffect(() => {
    if (wanted !== "" && hasNextPage && !isFetchingNextPage && !isFetchNextPageError) void fetchNextPage();
  }, [wanted, hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage, loaded.length]);

  return (
    <div className="page fill">
      <div className="page-head">
        <h1>Tasks</h1>
        <span className="faint number">{list.isSuccess && count(total)}</span>
        <div className="grow" />
        <div className="search">
          <Icon name="search" />
          <input className="input" type="search" placeholder="Search prompts" aria-label="Search prompts" value={words} onChange={(event) => setWords(event.target.value)} />
        </div>
      </div>
      <Filter name="State" value={status} choose={setStatus} choices={FILTERS} />
      {isFetchNextPageError && <div className="row small"><span className="bad">The rest of the list could not be read.</span><Button small onClick={() => void fetchNextPage()}>Go on</Button></div>}
      {!isFetchNextPageError && <Stale query={list} />}
      {list.isLoadingError ? <Trouble error={list.error} again={() => void list.refetch()} /> : list.isPending ? <div className="panel"><Bones lines={5} /></div>
        : shown.length === 0 ? <div className="panel"><Nothing searched={wanted !== ""} filtered={status !== ""} loading={hasNextPage || behind.isLoading} /></div>
          : <TaskRows tasks={shown} waits={waits} more={() => { if (hasNextPage && !isFetchingNextPage && !isFetchNextPageError) void fetchNextPage(); }} />}
    </div>
  );
}

/** A list that grows while it is read shows the same task on two pages. */
function unique(tasks: TaskSummary[]): TaskSummary[] {
  const seen = new Set<string>();
  return tasks.filter((task) => !seen.has(task.id) && seen.add(task.id));
}

function Nothing({ searched, filtered, loading }: { searched: boolean; filtered: boolean; loading: boolean }) {
  if (searched) return <Empty icon="search" title={loading ? "Searching…" : "No prompt holds these words"} />;
  if (filtered) return <Empty icon="tasks" title="No task is in this state" />;
  return <Empty icon="tasks" title="No tasks yet" tools={<a className="button strong" href={to("")}>Write the first one</a>}>Each task that is started here, by the API or on the command line shows up in this list.</Empty>;
}

const idOf = (task: TaskSummary): string => task.id;

function TaskRows({ tasks, waits, more }: { tasks: TaskSummary[]; waits: Map<string, number>; more: () => void }) {
  const frame = useRef<HTMLDivElement>(null);
  const walk = useWalk({ items: tasks, keyOf: idOf, frame, row: ROW });
  const rows = useVirtualizer({ count: tasks.length, getScrollElement: () => frame.current, estimateSize: () => ROW, overscan: 12, rangeExtractor: walk.rangeExtractor });
  const items = rows.getVirtualItems();
  const last = rows.range?.endIndex ?? 0;
  useEffect(() => {
    if (last >= tasks.length - 20) more();
  });
  return (
    <div className="panel task-table">
      <div className="task-row head" aria-hidden="true"><span>State</span><span>Task</span><span className="end">Files</span><span className="end">Cost</span><span className="end">Started</span></div>
      <div className="scroll" style={{ flex: `0 1 ${rows.getTotalSize()}px` }} ref={frame} role="list" aria-label="Tasks" {...walk.frameProps}>
        <div style={{ height: rows.getTotalSize(), position: "relative" }}>
          {items.map((item) => {
            const task = tasks[item.index]!;
            return (
              <div
                key={task.id} role="listitem" aria-posinset={item.index + 1} aria-setsize={tasks.length} data-at={item.index}
                className="virtual" style={{ height: ROW, transform: `translateY(${item.start}px)` }}
              >
                <TaskRow task={task} waits={waits.get(task.id) ?? 0} />
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

const TaskRow = memo(function TaskRow({ task, waits }: { task: TaskSummary; waits: number }) {
  return (
    <a className="task-row" href={to("task", task.id)} tabIndex={-1}>
      <span><TaskStatusChip status={task.status} waits={waits} /></span>
      <span className="clip">{title(task.prompt)}</span>
      <span className="end number quiet">{task.deliverables_count || ""}</span>
      <span className="end number quiet">{money(task.cost)}</span>
      <span className="end faint small"><Ago at={task.created_at} /></span>
    </a>
  );
});
