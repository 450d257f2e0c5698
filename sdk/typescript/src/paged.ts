/**
 * Lists that come in pages. Awaited, one is its first page; iterated over, it is all its items, fetched as they are
 * needed. Knows nothing of what the items are.
 */

/** Items of earlier pages that are remembered, so that none comes twice when the list moves meanwhile. */
const REMEMBERED = 1_000;

/** A list as its first page (`await`) or as all its items (`for await`). Nothing is sent before one of them. */
export class Paged<Page, Item> implements Promise<Page>, AsyncIterable<Item> {
  readonly #fetch: () => Promise<Page>;
  /** The first page, once it was asked for: awaited twice, it is asked for once. */
  #page: Promise<Page> | undefined;
  readonly #items: () => AsyncGenerator<Item, void>;

  constructor(first: () => Promise<Page>, items: () => AsyncGenerator<Item, void>) {
    this.#fetch = first;
    this.#items = items;
  }

  #first(): Promise<Page> {
    // One that failed is asked for anew.
    this.#page ??= this.#fetch().catch((error: unknown) => {
      this.#page = undefined;
      throw error;
    });
    return this.#page;
  }

  // biome-ignore lint/suspicious/noThenProperty: being awaited is what this class is for.
  then<A = Page, B = never>(
    done?: ((page: Page) => A | PromiseLike<A>) | null,
    failed?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#first().then(done, failed);
  }

  catch<B = never>(failed?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<Page | B> {
    return this.#first().catch(failed);
  }

  finally(over?: (() => void) | null): Promise<Page> {
    return this.#first().finally(over);
  }

  get [Symbol.toStringTag](): string {
    return "Paged";
  }

  [Symbol.asyncIterator](): AsyncGenerator<Item, void> {
    return this.#items();
  }
}

/** Where a page lies in its list. */
interface Place {
  total: number;
  limit: number;
  offset: number;
}

/**
 * All items of a list by `limit` and `offset`, newest first. What is added meanwhile moves the rest back and is not
 * shown; what is taken away moves it forward, and the next page begins so much earlier.
 */
export function byOffset<Page extends Place, Item extends { id: string }>(
  fetch: (offset: number | undefined) => Promise<Page>,
  itemsOf: (page: Page) => Item[],
  from: number | undefined,
): AsyncGenerator<Item, void>;
/** The same of items that are told apart by something else than an `id`. */
export function byOffset<Page extends Place, Item>(
  fetch: (offset: number | undefined) => Promise<Page>,
  itemsOf: (page: Page) => Item[],
  from: number | undefined,
  nameOf: (item: Item) => string,
): AsyncGenerator<Item, void>;
export async function* byOffset<Page extends Place, Item>(
  fetch: (offset: number | undefined) => Promise<Page>,
  itemsOf: (page: Page) => Item[],
  from: number | undefined,
  nameOf: (item: Item) => string = (item) => (item as { id: string }).id,
): AsyncGenerator<Item, void> {
  const seen = new Set<string>();
  let offset = from;
  let total: number | undefined;
  for (;;) {
    const page = await fetch(offset);
    const gone = Math.max(0, (total ?? page.total) - page.total);
    if (gone > 0 && page.offset > (from ?? 0)) {
      total = page.total;
      offset = Math.max(from ?? 0, page.offset - gone);
      continue;
    }
    const items = itemsOf(page);
    for (const item of items) {
      const name = nameOf(item);
      if (seen.has(name)) continue;
      remember(seen, name);
      yield item;
    }
    total = page.total;
    offset = page.offset + items.length;
    if (items.length === 0 || offset >= page.total) return;
  }
}

function remember(seen: Set<string>, id: string): void {
  seen.add(id);
  if (seen.size <= REMEMBERED) return;
  const [oldest] = seen;
  if (oldest !== undefined) seen.delete(oldest);
}
