// The models that the server has set up, and what they cost. A price that is not known is said to be unknown.

import { useQuery } from "@tanstack/react-query";
import { useSession } from "../../session";
import { Bones, Chip, Empty, Panel, Trouble } from "../../ui/parts";
import { count } from "../../ui/format";

const ROLES: Record<string, string> = { default: "Works unless you choose another", planner: "Makes the plans", fallback: "Steps in when one fails" };

export function useModels() {
  const { api, world } = useSession();
  return useQuery({ queryKey: [world, "models"], queryFn: () => api.models(), staleTime: 60_000 });
}

/** US dollars for a million tokens, in a form that is easy to compare. */
export function price(value: number | null): string {
  if (value === null) return "not known";
  if (value === 0) return "free";
  return `$${value < 0.1 ? value.toFixed(3) : value.toFixed(2)}`;
}

export function ModelList() {
  const list = useModels();
  return (
    <Panel title="Models" flush>
      {list.isLoadingError ? <Trouble error={list.error} again={() => void list.refetch()} /> : list.isPending ? <Bones /> : list.data.data.length === 0 ? (
        <Empty icon="bulb" title="No model is set up">
          Agents think with a language model. Whoever runs this server sets a key of a provider, or fetches a model that runs on the server itself with <code>miteos model pull</code>.
        </Empty>
      ) : (
        <>
          <div className="table-frame">
            <table className="data">
              <thead><tr><th>Model</th><th>Used for</th><th className="end">Reading</th><th className="end">Writing</th><th className="end">Reads at once</th></tr></thead>
              <tbody>
                {list.data.data.map((model) => (
                  <tr key={model.id}>
                    <td><span className="row wrap"><code>{model.id}</code>{model.local && <Chip tone="good">runs here</Chip>}</span></td>
                    <td className="small quiet">{model.roles.map((role) => ROLES[role] ?? role).join(", ") || "When you choose it"}</td>
                    <td className={`end number nowrap ${model.input_usd_per_mtok === null ? "faint" : ""}`}>{price(model.input_usd_per_mtok)}</td>
                    <td className={`end number nowrap ${model.output_usd_per_mtok === null ? "faint" : ""}`}>{price(model.output_usd_per_mtok)}</td>
                    <td className="end number nowrap">{count(model.context_tokens)} tokens</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <p className="small faint table-note">Prices are for a million tokens; a token is about four letters. Without a known price no budget can be kept.</p>
        </>
      )}
    </Panel>
  );
}
