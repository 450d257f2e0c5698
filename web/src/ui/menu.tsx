// A button that opens a list of things to do. Nothing is done by walking through it: a key or a click on one of them does it.

import { useId, useRef, useState, type KeyboardEvent } from "react";
import { Icon, type IconName } from "./icons";

interface MenuProps<T extends string> {
  /** What stands on the button. */
  name: string;
  icon?: IconName;
  /** Without a frame around the button. */
  plain?: boolean;
  disabled?: boolean;
  items: readonly { id: T; name: string }[];
  choose: (id: T) => void;
}

/** Between the button and the list (pixels). */
const GAP = 4;

export function Menu<T extends string>({ name, icon, plain, disabled, items, choose }: MenuProps<T>) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const rows = () => [...(list.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
  const show = (at: 0 | -1) => {
    const [popup, from] = [list.current, button.current?.getBoundingClientRect()];
    if (!popup || !from) return;
    popup.showPopover();
    const { width, height } = popup.getBoundingClientRect();
    const below = from.bottom + GAP + height <= innerHeight;
    popup.style.left = `${Math.max(GAP, Math.min(from.left, innerWidth - width - GAP))}px`;
    popup.style.top = `${below ? from.bottom + GAP : Math.max(GAP, from.top - GAP - height)}px`;
    rows().at(at)?.focus();
  };
  const hide = () => {
    list.current?.hidePopover();
    button.current?.focus();
  };
  const walk = (event: KeyboardEvent) => {
    const all = rows();
    const at = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: (at + 1) % all.length, ArrowUp: (at - 1 + all.length) % all.length, Home: 0, End: all.length - 1 }[event.key];
    if (event.key === "Tab") list.current?.hidePopover();
    // Not what a dialog around it does with it.
    if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); hide(); }
    if (to === undefined) return;
    event.preventDefault();
    all[to]?.focus();
  };
  return (
    <>
      <button
        ref={button} type="button" className={`button small ${plain ? "plain" : ""}`} disabled={disabled} aria-haspopup="menu" aria-expanded={open} aria-controls={id}
        onClick={() => (open ? hide() : show(0))}
        onKeyDown={(event) => {
          if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
          event.preventDefault();
          show(event.key === "ArrowDown" ? 0 : -1);
        }}
      >
        {icon && <Icon name={icon} />}{name}<Icon name="down" tiny />
      </button>
      <div ref={list} id={id} className="menu scroll" role="menu" aria-label={name} popover="auto" onToggle={(event) => setOpen(event.newState === "open")} onKeyDown={walk}>
        {items.map((item) => (
          <button key={item.id} type="button" role="menuitem" tabIndex={-1} onClick={() => { hide(); choose(item.id); }}>{item.name}</button>
        ))}
      </div>
    </>
  );
}
