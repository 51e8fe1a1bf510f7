import { spawn } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { repositoryRoot } from '../../workspace/packages.mjs';
import { harnessRecord, taskFiles } from './records.mjs';

const isWindows = process.platform === 'win32';
/** Where `node tools/peers/install.mjs lm-eval` puts it. */
export const installedPython = join(
  repositoryRoot,
  '.cache',
  'peers',
  'lm-eval',
  ...(isWindows ? ['Scripts', 'python.exe'] : ['bin', 'python']),
);

/**
 * @typedef {{ python: string, version: string, folder: string }} Harness `folder` holds its task definitions
 * @param {string} python
 * @returns {Promise<Harness>}
 */
export async function findHarness(python) {
  const program = 'import lm_eval, os; print(lm_eval.__version__); print(os.path.join(os.path.dirname(lm_eval.__file__), "tasks"))';
  const words = await run(python, ['-c', program], {}).catch((error) => {
    throw new Error(`There is no lm-evaluation-harness: ${error.message} Run node tools/peers/install.mjs lm-eval, or give --python.`);
  });
  const [version, folder] = words.trim().split('\n').slice(-2);
  return { python, version: version.trim(), folder: folder.trim() };
}

/**
 * Lays out a folder in which the harness and `gateskip eval` find the same first records of every task.
 *
 * @param {Harness} harness @param {string} work @param {string} data @param {readonly string[]} tasks @param {number} limit
 * @returns {Promise<Record<string, number>>} records of each task
 */
export async function layOut(harness, work, data, tasks, limit) {
  for (const folder of ['tasks', 'records', 'data']) await mkdir(join(work, folder), { recursive: true });
  await symlink(harness.folder, join(work, 'harness'), 'junction').catch((error) => {
    if (error.code !== 'EEXIST') throw error;
  });
  /** @type {Record<string, number>} */
  const counts = {};
  for (const task of tasks) {
    const file = taskFiles[/** @type {keyof typeof taskFiles} */ (task)];
    const lines = (await readFile(join(data, file), 'utf8'))
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(0, limit);
    await mkdir(join(work, 'data', task), { recursive: true });
    await writeFile(join(work, 'data', file), `${lines.join('\n')}\n`);
    const records = lines.map((line) => JSON.stringify(harnessRecord(task, JSON.parse(line))));
    await writeFile(join(work, 'records', `${task}.jsonl`), `${records.join('\n')}\n`);
    await copyFile(fileURLToPath(new URL(`tasks/${task}.yaml`, import.meta.url)), join(work, 'tasks', `${task}.yaml`));
    counts[task] = lines.length;
  }
  return counts;
}

/**
 * What the harness is to ask: a model type of its own and its arguments.
 *
 * @param {{ url: string, name: string, contextLength: number }} endpoint
 */
export function endpointModel({ url, name, contextLength }) {
  const given = {
    model: name,
    base_url: url,
    tokenizer_backend: 'remote',
    tokenized_requests: 'True',
    max_length: contextLength,
    timeout: 600,
  };
  const pairs = Object.entries(given).map((pair) => pair.join('='));
  return { model: 'local-completions', given: pairs.join(',') };
}

/**
 * @typedef {object} Sample what the harness notes of one item
 * @property {{ context: string, continuation: string, logprob: number, isGreedy: boolean }[]} choices
 * @property {number} acc
 * @property {number} [accNorm]
 * @property {string} target
 *
 * @param {Harness} harness @param {string} work @param {readonly string[]} tasks
 * @param {{ model: string, given: string }} asked
 * @returns {Promise<Record<string, Sample[]>>}
 */
export async function runHarness(harness, work, tasks, { model, given }) {
  const words = [
    ...['-m', 'lm_eval', 'run', '--model', model, '--model_args', given],
    ...(model === 'hf' ? ['--device', 'cpu'] : []),
    ...['--tasks', tasks.map((task) => `local_${task}`).join(',')],
    ...['--include_path', 'tasks', '--batch_size', '4', '--output_path', 'samples', '--log_samples'],
  ];
  // Samples of an earlier run in the same folder must not be taken for this one's.
  await rm(join(work, 'samples'), { recursive: true, force: true });
  await run(harness.python, words, {
    cwd: work,
    env: { ...process.env, HF_HUB_OFFLINE: '1', HF_DATASETS_OFFLINE: '1', HF_HOME: join(work, 'cache') },
    isLoud: true,
  });
  const files = (await readdir(join(work, 'samples'), { recursive: true })).sort();
  /** @type {Record<string, Sample[]>} */
  const samples = {};
  for (const task of tasks) {
    const file = files.filter((path) => path.includes(`samples_local_${task}_`)).at(-1);
    if (file === undefined) throw new Error(`lm-evaluation-harness wrote no samples of ${task}.`);
    const lines = (await readFile(join(work, 'samples', file), 'utf8')).trim().split('\n');
    samples[task] = lines
      .map((line) => JSON.parse(line))
      .sort((a, b) => a.doc_id - b.doc_id)
      .map(readSample);
  }
  return samples;
}

/** @param {any} line @returns {Sample} */
function readSample({ arguments: given, resps, acc, acc_norm: accNorm, target }) {
  const choices = resps.map((/** @type {any} */ [[logprob, isGreedy]], /** @type {number} */ index) => {
    const { arg_0: context, arg_1: continuation } = given[`gen_args_${index}`];
    return { context, continuation, logprob: Number(logprob), isGreedy: isGreedy === true || isGreedy === 'True' };
  });
  return { choices, acc: Number(acc), ...(accNorm !== undefined && { accNorm: Number(accNorm) }), target: String(target) };
}

/**
 * Runs a program to its end and gives what it printed; its errors go to ours.
 *
 * @param {string} program @param {readonly string[]} words
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, isLoud?: boolean }} options isLoud: what it prints goes to our errors too
 * @returns {Promise<string>}
 */
export function run(program, words, { cwd, env, isLoud = false }) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { cwd, env, stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      printed += text;
      if (isLoud) process.stderr.write(text);
    });
    child.once('error', (error) => reject(new Error(`${program} cannot be started: ${error.message}.`)));
    child.once('close', (code) => (code === 0 ? resolve(printed) : reject(new Error(`${program} ended with code ${code}.`))));
  });
}
