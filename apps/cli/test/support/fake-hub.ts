import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export interface ServedFile {
  readonly bytes: Uint8Array;
  /** Whether the server says how long it is. */
  readonly hidesLength?: boolean;
  /** Bytes that come every 50 ms; absent: all at once. */
  readonly pace?: () => number | undefined;
}

/** A hub on this machine with one repository, `o/r`. */
export class FakeHub {
  readonly files = new Map<string, ServedFile>();
  /** Range of every download that was begun, in their order. */
  readonly downloads: { readonly name: string; readonly range: string | undefined }[] = [];
  #server: Server | undefined;

  async start(): Promise<void> {
    this.#server = createServer(async (request, response) => {
      const name = /^\/o\/r\/resolve\/main\/([^/]+)$/.exec(request.url ?? '')?.[1] ?? '';
      const file = this.files.get(name);
      if (!file) return void response.writeHead(404).end();
      const { range } = request.headers;
      const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
      const body = file.bytes.subarray(from);
      response.writeHead(range ? 206 : 200, {
        etag: `"${sha256(file.bytes)}"`,
        'content-type': 'application/octet-stream',
        ...(file.hidesLength ? {} : { 'content-length': body.length }),
        ...(range ? { 'content-range': `bytes ${from}-${file.bytes.length - 1}/${file.bytes.length}` } : {}),
      });
      if (request.method === 'HEAD') return void response.end();
      this.downloads.push({ name, range });
      for (let at = 0; at < body.length && !response.destroyed; ) {
        const piece = file.pace?.() ?? body.length;
        response.write(body.subarray(at, (at += piece)));
        if (at < body.length) await new Promise((resolve) => setTimeout(resolve, 50));
      }
      response.end();
    });
    await new Promise<void>((resolve) => this.#server?.listen(0, '127.0.0.1', resolve));
  }

  get endpoint(): string {
    const address = this.#server?.address() as AddressInfo | undefined;
    return `http://127.0.0.1:${address?.port ?? 0}`;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }
}
