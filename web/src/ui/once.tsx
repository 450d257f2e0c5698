// Something that is shown this once: a key, a secret. It goes by its button alone, and not by one that was pressed before it was
// seen.

import { useEffect, useState } from "react";
import { Button, CopyButton } from "./parts";
import { Dialog } from "./dialog";

/** It cannot be put away for so long (ms): the click may have been the second one of two. */
const UNSEEN_MS = 600;

export function ShownOnce({ title, text, value, copy, close }: { title: string; text: string; value: string; copy: string; close: () => void }) {
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSeen(true), UNSEEN_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <Dialog firm title={title} close={close} foot={<Button tone="strong" disabled={!seen} onClick={close}>I have it</Button>}>
      <div className="stack"><p className="quiet">{text}</p><div className="well row"><code className="grow wraps">{value}</code><CopyButton text={value} label={copy} /></div></div>
    </Dialog>
  );
}
