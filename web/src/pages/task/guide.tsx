// Words for agents while they work.

import { useState } from "react";
import { told } from "../../api/api";
import { Button, Field } from "../../ui/parts";
import { Dialog, useSay } from "../../ui/dialog";

export function GuideDialog({ name, send, close }: { name: string; send: (text: string) => Promise<unknown>; close: () => void }) {
  const say = useSay();
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    if (text.trim() === "" || busy) return;
    setBusy(true);
    try {
      await send(text.trim());
      say.say("Said. It is read at the next step");
      close();
    } catch (error) {
      setWrong(told(error));
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={`Guide ${name}`} close={close}
      foot={<><Button onClick={close}>Close</Button><Button tone="strong" disabled={busy || text.trim() === ""} onClick={() => void submit()}>Say it</Button></>}
    >
      <Field name="Your words" hint="They are read before the next step. A decision that waits for you still waits." wrong={wrong}>
        {(id) => (
          <textarea
            id={id} className="input" rows={4} autoFocus value={text} placeholder="Keep it to one page, and name your sources."
            onChange={(event) => setText(event.target.value)}
            onKeyDown={(event) => { if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) void submit(); }}
          />
        )}
      </Field>
    </Dialog>
  );
}
