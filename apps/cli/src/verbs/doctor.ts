import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { access, constants, stat, statfs } from 'node:fs/promises';
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { RepackCacheReport } from '@gateskip/backend-cpu';
import { exitCodes } from '../exit-codes.js';
import { bytes } from '../output/format.js';
import type { Output } from '../output/output.js';
import { pairs } from '../output/table.js';
import { readVersion } from '../version.js';
import { backendLines, probeBackends } from './backends.js';

interface ToolReport {
  readonly name: string;
  /** Null where it is not there. */
  readonly version: string | null;
}

/** Programs that `pypi:` models need one of. */
const tools: readonly (readonly [name: string, program: string, ...args: string[]])[] = [
  ['pip', 'python3', '-m', 'pip', '--version'],
  ['uv', 'uv', '--version'],
  ['python', 'python3', '--version'],
];

/** What this machine can do, what it cannot, and why. */
export async function doctor(output: Output): Promise<number> {
  const [reports, cache, toolReports, repacked] = await Promise.all([
    probeBackends(),
    inspectCache(output),
    Promise.all(tools.map(inspectTool)),
    inspectRepacked(output),
  ]);
  const [processor] = cpus();
  const machine = {
    platform: `${process.platform}-${process.arch}`,
    processor: processor?.model.trim() ?? 'unknown',
    threads: availableParallelism(),
    memoryBytes: totalmem(),
    freeMemoryBytes: freemem(),
    usableMemoryBytes: process.availableMemory(),
  };
  const versions = { gateskip: readVersion(), node: process.versions.node };
  const has = (name: string): boolean => toolReports.some((tool) => tool.name === name && tool.version !== null);
  const problems: string[] = [];
  if (!reports.some(({ available }) => available)) problems.push('No backend runs here.');
  else if (!reports.find(({ name }) => name === 'cpu')?.available)
    problems.push('The cpu backend does not run here; the reference backend does, and is slow.');
  if (!cache.writable) problems.push(`The cache folder cannot be written (${cache.problem}). Set GATESKIP_CACHE_DIR to another.`);
  if (!has('pip') && !has('uv')) problems.push('Neither pip nor uv is here: models from pypi: cannot be fetched.');

  const { platform, processor: processorName, threads, memoryBytes, usableMemoryBytes } = machine;
  await output.print(
    pairs([
      ['gateskip', versions.gateskip],
      ['node', versions.node],
      ['platform', platform],
      ['processor', `${processorName}, ${threads} threads`],
      ['memory', `${bytes(memoryBytes)}, ${bytes(usableMemoryBytes)} usable`],
      [
        'cache',
        `${cache.path}, ${cache.writable ? `${cache.freeBytes === null ? 'unknown' : bytes(cache.freeBytes)} free` : 'not writable'}`,
      ],
      [
        'repacked weights',
        `${repacked.enabled ? 'kept' : 'not kept (GATESKIP_REPACK_CACHE=1 keeps them)'}; ${repacked.files} files, ${bytes(repacked.bytes)}`,
      ],
      ...toolReports.map(({ name, version }): [string, string] => [name, version ?? 'not found']),
    ]),
  );
  await output.print(`\n${backendLines(reports)}`);
  await output.print(problems.length === 0 ? '\nNothing is in the way.\n' : `\n${problems.map((problem) => `! ${problem}\n`).join('')}`);
  await output.document({ versions, machine, cache, repackedWeights: repacked, tools: toolReports, backends: reports, problems });
  return reports.some(({ available }) => available) && cache.writable ? exitCodes.ok : exitCodes.environment;
}

interface CacheReport {
  readonly path: string;
  readonly writable: boolean;
  readonly problem: string | null;
  readonly freeBytes: number | null;
}

async function inspectCache(output: Output): Promise<CacheReport> {
  const { cacheFolder } = await import('@gateskip/model');
  const path = resolve(await cacheFolder(output.io.env));
  // It may not be there yet: then what counts is the nearest folder above that is.
  let nearest = path;
  while (!existsSync(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest);
  try {
    await access(nearest, constants.W_OK);
    if (!(await stat(nearest)).isDirectory()) throw new Error(`${nearest} is not a folder`);
    const { bavail, bsize } = await statfs(nearest);
    return { path, writable: true, problem: null, freeBytes: bavail * bsize };
  } catch (error) {
    return { path, writable: false, problem: (error as Error).message, freeBytes: null };
  }
}

/** What the cpu backend keeps of weights in its own form. */
async function inspectRepacked(output: Output): Promise<RepackCacheReport> {
  const { inspectRepackCache } = await import('@gateskip/backend-cpu');
  return inspectRepackCache(output.io.env);
}

function inspectTool([name, program, ...args]: (typeof tools)[number]): Promise<ToolReport> {
  return new Promise((settle) => {
    execFile(program, args, { timeout: 10_000, maxBuffer: 65_536 }, (error, stdout) => {
      const version = /\d+(\.\d+)+/.exec(stdout)?.[0] ?? null;
      settle({ name, version: error ? null : version });
    });
  });
}
