/**
 * A proxy on this machine that breaks connections when it is told to.
 */

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** Looks at what the server sends and says how much of it may pass before the connection is broken; `undefined`: all. */
export type Cut = (sent: Buffer, connection: number) => number | undefined;

export class CuttingProxy {
  readonly #server = createServer((socket) => this.#connected(socket));
  readonly #sockets = new Set<Socket>();
  readonly #target: URL;
  readonly #cut: Cut;
  #connections = 0;

  constructor(target: string, cut: Cut) {
    this.#target = new URL(target);
    this.#cut = cut;
  }

  static async start(target: string, cut: Cut): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(target, cut);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How many connections there were. */
  get connections(): number {
    return this.#connections;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #connected(socket: Socket): void {
    const number = this.#connections;
    this.#connections += 1;
    const other = connect(Number(this.#target.port), this.#target.hostname);
    for (const each of [socket, other]) {
      this.#sockets.add(each);
      each.on("close", () => this.#sockets.delete(each));
      each.on("error", () => undefined);
    }
    socket.pipe(other);
    socket.on("close", () => other.destroy());
    other.on("end", () => socket.end());
    other.on("data", (chunk: Buffer) => {
      const passes = this.#cut(chunk, number);
      if (passes === undefined) {
        socket.write(chunk);
        return;
      }
      // What may pass arrives; then the connection is gone without a word.
      other.destroy();
      socket.write(chunk.subarray(0, passes), () => socket.resetAndDestroy());
    });
  }
}
