import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const gitSha1 = (bytes: Uint8Array): string => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

/** How the server misbehaves; each is looked at anew for every request. */
export interface Faults {
  /** Bytes to send before the connection is cut, of the first `cutTimes` downloads. */
  cutAfter?: number;
  cutTimes?: number;
  ignoreRange?: boolean;
  refuseRange?: boolean;
  wrongRange?: boolean;
  html?: boolean;
  /** What is really sent, other than what was promised; of the first `corruptTimes` downloads. */
  corrupt?: Uint8Array;
  corruptTimes?: number;
  status?: number;
  statusTimes?: number;
  hang?: boolean;
  delayMs?: number;
  needToken?: string;
  /** Bodies come in pieces of so many bytes, one every so many milliseconds. */
  trickle?: { readonly bytes: number; readonly everyMs: number };
  /** Nobody is told how long a file is. */
  hideLength?: boolean;
  /** Large files have this etag, which is no hash, and no redirect; with `if-range` another etag gives the whole file. */
  plainEtag?: string;
  /** The etag of such a file when it is fetched, where it was replaced after it was asked for. */
  laterEtag?: string;
}

/** A hub on this machine: lists a repository, redirects large files to another path as the real one does. */
export class FakeHub {
  readonly files = new Map<string, Uint8Array>();
  readonly requests: {
    readonly method: string;
    readonly url: string;
    readonly range: string | undefined;
    readonly authorization: string | undefined;
  }[] = [];
  faults: Faults = {};
  downloads = 0;
  /** Downloads that the other side left before their end. */
  left = 0;
  #server: Server | undefined;

  async start(): Promise<void> {
    this.#server = createServer((request, response) => this.#answer(request, response));
    await new Promise<void>((resolve) => this.#server?.listen(0, '127.0.0.1', resolve));
  }

  get endpoint(): string {
    const address = this.#server?.address() as AddressInfo | undefined;
    return `http://127.0.0.1:${address?.port ?? 0}`;
  }

  reset(): void {
    this.files.clear();
    this.requests.length = 0;
    this.faults = {};
    this.downloads = 0;
    this.left = 0;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = decodeURIComponent(request.url ?? '');
    const { range, authorization } = request.headers;
    this.requests.push({ method: request.method ?? '', url, range, authorization });
    const faults = this.faults;
    if (faults.hang) return;
    if (faults.needToken && !url.startsWith('/cdn/') && authorization !== `Bearer ${faults.needToken}`)
      return void response.writeHead(401).end();
    const list = /^\/api\/models\/o\/r\/revision\/(.+)$/.exec(url);
    if (list) {
      const siblings = [...this.files.keys()].map((rfilename) => ({ rfilename }));
      return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ sha: 'a'.repeat(40), siblings }));
    }
    const name = /^\/o\/r\/resolve\/[^/]+\/(.+)$/.exec(url)?.[1] ?? /^\/cdn\/(.+)$/.exec(url)?.[1] ?? '';
    const bytes = this.files.get(name);
    if (!bytes) return void response.writeHead(404).end('no');
    const isLarge = !name.endsWith('.json');
    if (faults.plainEtag !== undefined && isLarge) {
      const etag = `"${faults.plainEtag}"`;
      const wanted = request.headers['if-range'];
      if (request.method === 'HEAD') return void response.writeHead(200, { etag, 'content-length': bytes.length }).end();
      return this.#send(
        wanted === undefined || wanted === `"${faults.laterEtag ?? faults.plainEtag}"` ? range : undefined,
        response,
        bytes,
      );
    }
    if (isLarge && !url.startsWith('/cdn/')) {
      return void response
        .writeHead(302, {
          location: `/cdn/${name}`,
          'x-linked-etag': `"${sha256(bytes)}"`,
          ...(faults.hideLength ? {} : { 'x-linked-size': bytes.length }),
          etag: '"of-the-redirect"',
        })
        .end();
    }
    if (request.method === 'HEAD')
      return void response.writeHead(200, { etag: `"${gitSha1(bytes)}"`, 'content-length': bytes.length }).end();
    this.#send(range, response, bytes);
  }

  #send(range: string | undefined, response: ServerResponse, promised: Uint8Array): void {
    const faults = this.faults;
    const count = this.downloads++;
    response.on('close', () => {
      if (!response.writableEnded) this.left++;
    });
    if (faults.status && count < (faults.statusTimes ?? 1e9)) return void response.writeHead(faults.status).end();
    if (faults.html)
      return void response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<!doctype html><p>please log in</p>');
    const bytes = faults.corrupt && count < (faults.corruptTimes ?? 1e9) ? faults.corrupt : promised;
    const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    if (range && (faults.refuseRange || start >= bytes.length)) return void response.writeHead(416).end();
    const isPart = range !== undefined && !faults.ignoreRange;
    const from = isPart ? start : 0;
    const body = bytes.subarray(from);
    const headers: Record<string, string | number> = {
      'content-type': 'application/octet-stream',
      ...(faults.hideLength ? {} : { 'content-length': body.length }),
    };
    if (isPart) headers['content-range'] = `bytes ${faults.wrongRange ? from + 1 : from}-${bytes.length - 1}/${bytes.length}`;
    response.writeHead(isPart ? 206 : 200, headers);
    if (faults.cutAfter !== undefined && count < (faults.cutTimes ?? 1e9)) {
      response.write(body.subarray(0, faults.cutAfter), () => setTimeout(() => response.destroy(), 30));
    } else if (faults.trickle) void trickle(response, body, faults.trickle);
    else setTimeout(() => response.end(body), faults.delayMs ?? 0);
  }
}

async function trickle(response: ServerResponse, body: Uint8Array, { bytes, everyMs }: NonNullable<Faults['trickle']>): Promise<void> {
  for (let at = 0; at < body.length && !response.destroyed; at += bytes) {
    response.write(body.subarray(at, at + bytes));
    if (at + bytes < body.length) await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  response.end();
}
