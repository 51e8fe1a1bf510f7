import { basename, join } from 'node:path';
import { AbortedError } from '@gateskip/errors';
import { printable } from '../errors.js';
import { checkRoom } from '../file/disk-room.js';
import { type CachedFile, filesFolder } from './cache.js';
import { connectionReason, downloadFile, gitBlobSha1, type RemoteFile } from './download-file.js';
import { DownloadError, DownloadMismatchError } from './errors.js';
import { missingBytes } from './part-file.js';
import type { FetchContext } from './progress.js';
import { checkRelativePath, type Reference } from './reference.js';
import type { PinnedFile } from './short-names.js';

type HubReference = Extract<Reference, { kind: 'hf' }>;

const maxListBytes = 16 * 1024 * 1024;
const maxRedirects = 5;
const maxFiles = 200;
/** Of several GGUF files in one repository, the first kind found is taken: small ones that we can run come first. */
const preferredTypes = ['q4_1', 'q4_0', 'q8_0', 'f16', 'bf16', 'f32'];
const sideFiles = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
  'model.safetensors.index.json',
];

/** Fetches a model from a Hugging Face hub (HF_ENDPOINT, HF_TOKEN) into an entry's folder. */
export async function fetchFromHub(
  reference: HubReference,
  entry: string,
  pinned: PinnedFile | undefined,
  context: FetchContext,
): Promise<{ main: string; files: CachedFile[] }> {
  const { endpoint, headers } = hubAccess(context.env);
  context.onProgress({ phase: 'resolve', done: 0, total: 0, what: reference.repo });
  let { revision } = reference;
  let names: string[];
  let main: string;
  if (reference.file) {
    names = [reference.file];
    main = reference.file;
  } else {
    ({ names, main, revision } = await chooseFiles(reference, endpoint, headers, context));
  }
  const remotes: { readonly name: string; readonly what: string; readonly path: string; readonly remote: RemoteFile }[] = [];
  let neededBytes = 0;
  for (const name of names) {
    const what = `${reference.repo}/${name}`;
    const place = reference.isDataSet ? `datasets/${reference.repo}` : reference.repo;
    const url = `${endpoint}/${place}/resolve/${encodeURIComponent(revision)}/${name.split('/').map(encodeURIComponent).join('/')}`;
    const remote = pin(await inspect(url, endpoint, headers, context), pinned, what);
    const path = join(filesFolder(entry), name);
    neededBytes += await missingBytes(remote, path);
    remotes.push({ name, what, path, remote });
  }
  // Of all files together, before the first byte.
  await checkRoom(join(filesFolder(entry), main === '' ? names[0]! : basename(main)), neededBytes);
  const files: CachedFile[] = [];
  for (const { name, what, path, remote } of remotes) {
    const report: FetchContext = { ...context, onProgress: (progress) => context.onProgress({ ...progress, what }) };
    const got = await downloadFile(remote, path, report);
    if (/^[0-9a-f]{40}$/.test(remote.etag) && (await gitBlobSha1(path)) !== remote.etag)
      throw new DownloadMismatchError(`${what} does not hash to its etag ${remote.etag}.`, { what });
    files.push({ name, ...got });
  }
  return { main, files };
}

/** Holds what the server says of a file against what is known of it. */
function pin(remote: RemoteFile, pinned: PinnedFile | undefined, what: string): RemoteFile {
  if (!pinned) return remote;
  if (remote.sizeBytes !== undefined && remote.sizeBytes !== pinned.sizeBytes)
    throw new DownloadMismatchError(`${what} has ${remote.sizeBytes} bytes there, ${pinned.sizeBytes} are expected.`, { what });
  if (remote.sha256 !== undefined && remote.sha256 !== pinned.sha256)
    throw new DownloadMismatchError(`${what} has sha256 ${remote.sha256} there, ${pinned.sha256} is expected.`, { what });
  return { ...remote, ...pinned };
}

function hubAccess(env: FetchContext['env']): { endpoint: string; headers: Record<string, string> } {
  const text = env.HF_ENDPOINT || 'https://huggingface.co';
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new DownloadError(`HF_ENDPOINT is "${printable(text)}", which is no address.`);
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new DownloadError(`HF_ENDPOINT is "${printable(text)}"; only http and https are known.`);
  const token = env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN;
  const headers: Record<string, string> = { 'user-agent': 'gateskip' };
  if (token) headers.authorization = `Bearer ${token.trim()}`;
  return { endpoint: url.href.replace(/\/+$/, ''), headers };
}

async function ask(url: string, init: RequestInit, context: FetchContext): Promise<Response> {
  const limit = AbortSignal.timeout(context.connectTimeoutMs);
  try {
    return await fetch(url, { ...init, signal: context.signal ? AbortSignal.any([context.signal, limit]) : limit });
  } catch (error) {
    if (context.signal?.aborted) throw new AbortedError('The download');
    const reason = limit.aborted ? `no answer within ${context.connectTimeoutMs} ms` : connectionReason(error);
    throw new DownloadError(
      `${printable(new URL(url).origin)} cannot be reached: ${reason}.`,
      'Check the network, or set HF_ENDPOINT to a mirror.',
      { what: url },
      { cause: error },
    );
  }
}

function refuse(status: number, url: string): never {
  const remedy = status === 401 || status === 403 ? 'The repository may be private or gated: set HF_TOKEN.' : undefined;
  throw new DownloadError(`${printable(url)}: the server answered ${status}.`, remedy, { what: url, got: status });
}

/** Asks for a file's identity. Large files answer with a redirect that carries sha256 and length of the real content. */
async function inspect(start: string, endpoint: string, headers: Record<string, string>, context: FetchContext): Promise<RemoteFile> {
  let url = start;
  for (let hop = 0; hop <= maxRedirects; hop++) {
    const response = await ask(
      url,
      { method: 'HEAD', redirect: 'manual', headers: { ...headers, 'accept-encoding': 'identity' } },
      context,
    );
    const linked = unquote(response.headers.get('x-linked-etag'));
    const isRedirect = response.status >= 300 && response.status < 400;
    if (isRedirect && linked === '') {
      const next = new URL(response.headers.get('location') ?? '', url);
      if (next.origin !== new URL(endpoint).origin)
        throw new DownloadError(`${printable(url)} leads to another host without saying what the file is.`, undefined, { what: url });
      url = next.href;
      continue;
    }
    if (!isRedirect && response.status !== 200) refuse(response.status, url);
    if (/^text\/html/i.test(response.headers.get('content-type') ?? '') && linked === '')
      throw new DownloadMismatchError(`${printable(url)}: a web page came instead of the file.`, { what: url });
    const size = Number(
      response.headers.get('x-linked-size') ?? (isRedirect ? Number.NaN : (response.headers.get('content-length') ?? Number.NaN)),
    );
    const etag = linked || unquote(response.headers.get('etag'));
    return {
      url,
      headers,
      etag,
      sizeBytes: Number.isSafeInteger(size) && size >= 0 ? size : undefined,
      sha256: /^[0-9a-f]{64}$/.test(etag) ? etag : undefined,
    };
  }
  throw new DownloadError(`${printable(start)} is redirected more than ${maxRedirects} times.`);
}

const unquote = (etag: string | null): string => (etag ?? '').replace(/^W\//, '').replace(/"/g, '');

/** Lists a repository and picks one GGUF file, else the safetensors set. Pins the commit, so that the set is of one state. */
async function chooseFiles(
  reference: HubReference,
  endpoint: string,
  headers: Record<string, string>,
  context: FetchContext,
): Promise<{ names: string[]; main: string; revision: string }> {
  const url = `${endpoint}/api/models/${reference.repo}/revision/${encodeURIComponent(reference.revision)}`;
  const response = await ask(url, { headers }, context);
  if (response.status !== 200) refuse(response.status, url);
  const text = await response.text();
  if (text.length > maxListBytes) throw new DownloadError(`${printable(url)}: the list of files is longer than ${maxListBytes} bytes.`);
  let list: { sha?: unknown; siblings?: unknown };
  try {
    list = JSON.parse(text);
  } catch {
    throw new DownloadMismatchError(`${printable(url)}: the answer is no JSON.`, { what: url });
  }
  const all = (Array.isArray(list.siblings) ? list.siblings : [])
    .map((item: { rfilename?: unknown } | null) => item?.rfilename)
    .filter((name): name is string => typeof name === 'string');
  const revision = typeof list.sha === 'string' && /^[0-9a-f]{40}$/.test(list.sha) ? list.sha : reference.revision;
  const ggufs = all.filter((name) => name.endsWith('.gguf') && !/-\d{5}-of-\d{5}\.gguf$/.test(name)).sort();
  const byType = preferredTypes
    .map((type) => ggufs.find((name) => new RegExp(`(^|[^a-z0-9])${type}[^a-z0-9_]`, 'i').test(name)))
    .find((name) => name !== undefined);
  const single = byType ?? (ggufs.length === 1 ? ggufs[0] : undefined);
  if (single) return { names: [checkRelativePath(single)], main: single, revision };
  const weights = all.filter((name) => /^[^/]+\.safetensors$/.test(name));
  if (weights.length === 0 || !all.includes('config.json')) {
    const found = ggufs.length > 0 ? ` Found: ${ggufs.slice(0, 8).map(printable).join(', ')}.` : '';
    throw new DownloadError(
      `${reference.repo} holds neither a GGUF file of a known type nor a safetensors model.${found}`,
      'Name a file: hf:owner/repo/file.gguf.',
    );
  }
  const names = [...sideFiles.filter((name) => all.includes(name)), ...weights].map(checkRelativePath);
  if (names.length > maxFiles) throw new DownloadError(`${reference.repo} has ${names.length} files, at most ${maxFiles} are fetched.`);
  return { names, main: '', revision };
}
