// Numbers, amounts and times as people read them. Pure.

const dollars = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: 2 });
const fine = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: 4 });
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
const plain = new Intl.NumberFormat("en-US");

/** Amounts below this are said to be so (dollars). */
const LEAST = 0.0001;

/** US dollars; below ten cents with the digits that make a difference. */
export function money(value: number): string {
  if (value === 0) return "$0.00";
  if (value > 0 && value < LEAST) return `under $${LEAST}`;
  return Math.abs(value) < 0.1 ? fine.format(value) : dollars.format(value);
}

export const count = (value: number): string => (value < 10_000 ? plain.format(value) : compact.format(value));

/** Every digit, where which one it is matters. */
export const exactly = (value: number): string => plain.format(value);

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

export function bytes(value: number): string {
  if (value < 1024) return value === 1 ? "1 byte" : `${value} bytes`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let size = value / 1024;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, "0")} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(hours / 24)} days`;
}

/** "4 min ago", "in 6 days". */
export function relative(at: number, now: number): string {
  const gap = Math.abs(now - at);
  const ahead = at > now;
  const say = (text: string) => (ahead ? `in ${text}` : `${text} ago`);
  // What is to come is not less than was said; what was is not more.
  const whole = ahead ? Math.ceil : Math.floor;
  if (gap < 10_000) return ahead ? "in a moment" : "just now";
  if (gap < 60_000) return say(`${whole(gap / 1000)} s`);
  if (gap < 3_600_000) return say(`${whole(gap / 60_000)} min`);
  if (gap < 86_400_000) return say(`${whole(gap / 3_600_000)} h`);
  const days = whole(gap / 86_400_000);
  return say(days === 1 ? "1 day" : `${days} days`);
}

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
/** The server counts days by universal time; so they are named. */
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", timeZone: "UTC" });

export const clockTime = (at: number): string => time.format(at);
export const fullTime = (at: number): string => moment.format(at);
export const shortDay = (at: number): string => day.format(at);

/** A prompt's first line, as a title. */
export function title(prompt: string): string {
  const line = prompt.slice(0, 600).split("\n").map((each) => each.trim()).find((each) => each !== "") ?? "";
  return line.length > 140 ? `${line.slice(0, 139)}…` : line || "Untitled";
}

/** What the dial's position means. */
export function dialMeaning(level: number): string {
  if (level >= 100) return "never asks";
  if (level >= 50) return "asks before what is risky";
  if (level >= 20) return "asks before every change";
  return "asks before every action";
}
