import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename, join } from 'node:path';
import { answerStarts } from './answer-starts.mjs';
import { keepSettings, readJson, writeJson } from './files.mjs';
import { loadPackages } from './packages.mjs';
import { TASKS } from './policies.mjs';
import { prompts } from './prompts.mjs';
import { spreadText } from './spread-text.mjs';

/**
 * @typedef {object} RunOptions
 * @property {string} model
 * @property {string | null | undefined} adapter file; default: the bundled one; null: none, and no profile
 * @property {string} data folder
 * @property {string} text file
 * @property {number} items of a task
 * @property {number} textTokens
 * @property {number} ownTokens
 * @property {number} window
 * @property {number | undefined} threads
 * @property {number} speedRounds
 * @property {string} out folder
 * @property {boolean} needsTasks
 * @property {AbortSignal} signal
 * @property {(line: string) => void} log
 */

/** @typedef {Awaited<ReturnType<typeof openRun>>} OpenRun */

/** More than enough to hold `textTokens` tokens. */
const CHARACTERS_OF_A_TOKEN = 8;
const SEED = 1;
/** Tokens of one conversation. */
export const OWN_WINDOW = 128;

/** Loads everything that pieces of work share, and makes what is made once. @param {RunOptions} options */
export async function openRun(options) {
  const { data, items, textTokens, window, out, signal, log } = options;
  const [modelPackage, { cpuBackend }, { createEngine }, evaluation, scheduler, train, bundled, { standInMacs }] = await loadPackages([
    'model',
    'backend-cpu',
    'engine',
    'evaluate',
    'scheduler',
    'train',
    'adapter-smollm2-135m-instruct',
    'gate',
  ]);
  const model = await modelPackage.loadModel(options.model);
  const { threads } = options;
  /** @param {string} file */
  const openAdapter = async (file) => {
    const adapter = await modelPackage.readAdapter(file);
    modelPackage.assertAdapterFits(adapter, model);
    return adapter;
  };
  const openEngine = (/** @type {any} */ adapter) =>
    createEngine({ model, backend: cpuBackend, ...(adapter && { adapter }), load: { ...(threads && { threads }) } });
  const adapterFile = options.adapter === null ? undefined : (options.adapter ?? bundled.adapterPath);
  const adapter = adapterFile && (await openAdapter(adapterFile));
  const engine = await openEngine(adapter);
  // Where the adapter changes the model itself, dense is the model without it.
  const denseEngine = adapter?.backbone === undefined ? engine : await openEngine(undefined);
  const close = async () => {
    if (denseEngine !== engine) await denseEngine.close();
    await engine.close();
    await model.close();
  };
  try {
    const pieces = Math.max(1, Math.floor(textTokens / window));
    const text = spreadWindows(readFileSync(options.text, 'utf8'), pieces, window, model, basename(options.text));
    const settings = {
      model: { name: model.config.name, fingerprint: model.fingerprint },
      ...(adapter && { adapter: { name: adapter.name, sha256: fileHash(adapterFile) } }),
      text: { sha256: text.sha256, tokens: text.tokens.length, window },
      ownTokens: options.ownTokens,
      // Folders of when prompts were compared too are of another run.
      ownCompared: 'answers at what they save',
      items,
      seed: SEED,
      speedRounds: options.speedRounds,
    };
    keepSettings(join(out, 'settings.json'), settings);
    const packages = { modelPackage, evaluation, scheduler, train };
    const engines = { denseEngine, runner: engine.runner, denseRunner: denseEngine === engine ? undefined : denseEngine.runner };
    const common = {
      ...packages,
      ...engines,
      model,
      adapter,
      standInMacs: standInMacs(adapter?.gates),
      openAdapter,
      openEngine,
      options,
      seed: SEED,
      text,
      close,
    };
    const profile = adapter && (await keepProfile(join(out, 'profile.json'), common, log));
    const own = await keepOwnText(join(out, 'answers.json'), common, log);
    const tasks = [];
    if (options.needsTasks) {
      for (const name of TASKS) {
        signal.throwIfAborted();
        const task = evaluation.taskNamed(name);
        const prepared = await evaluation.prepareTask(task, { model, data, limit: items, seed: SEED, signal });
        tasks.push({ ...prepared, source: basename(prepared.source) });
      }
    }
    writeJson(join(out, 'machine.json'), {
      cpu: cpus()[0]?.model,
      cores: cpus().length,
      node: process.versions.node,
      backend: { name: engine.runner.backend, details: engine.runner.details },
    });
    return { ...common, profile, own, tasks, limits: evaluation.stepLimits(engine.runner) };
  } catch (error) {
    await close();
    throw error;
  }
}

/** @param {string} path */
export const fileHash = (path) => createHash('sha256').update(readFileSync(path)).digest('hex');

/** Windows that lie evenly over the text, one after the other: none of them runs from one subject into the next. */
function spreadWindows(whole, pieces, window, model, source) {
  const tokens = new Int32Array(pieces * window);
  for (const [index, piece] of spreadText(whole, pieces, CHARACTERS_OF_A_TOKEN * window).entries()) {
    const found = model.tokenizer.encode(piece);
    if (found.length < window) throw new Error(`Piece ${index + 1} of ${source} has ${found.length} tokens, a window ${window}.`);
    tokens.set(found.slice(0, window), index * window);
  }
  return preparedText(tokens, source, model, model.tokenizer.encode(whole).length);
}

/** @param {Int32Array} tokens */
function preparedText(tokens, source, model, allTokens) {
  const covered = model.tokenizer.decode(tokens, { skipSpecial: true });
  return {
    source,
    tokens,
    bytes: Buffer.byteLength(covered),
    words: covered.split(/\s+/).filter((/** @type {string} */ word) => word !== '').length,
    allTokens,
    sha256: createHash('sha256').update(covered).digest('hex'),
  };
}

/** What dropping each layer and branch costs, measured once, on what the model writes itself: gates know no other text either. */
async function keepProfile(path, { model, denseEngine, train, options: { signal } }, log) {
  if (readJson(path) !== undefined) {
    const profile = await train.readProfile(path);
    train.assertProfileFits(profile, model);
    return profile;
  }
  log('profiling the dense model');
  const text = await train.generateCalibrationText({ engine: denseEngine, tokens: 4096, signal });
  const profile = await train.profileModel({
    model,
    runner: denseEngine.runner,
    sequences: text.sequences,
    description: `${text.tokens} tokens that the dense model wrote itself`,
    signal,
  });
  await train.writeProfile(path, profile);
  return profile;
}

/** Answers of the dense model to prompts that gates and profile have not seen; each window is one conversation from its start, `answers` where its answer begins. */
async function keepOwnText(path, { model, modelPackage, denseEngine, train, options: { ownTokens, signal } }, log) {
  if (ownTokens === 0) return undefined;
  let windows = readJson(path)?.windows;
  if (windows === undefined) {
    log('the dense model writes its own text');
    const tokens = prompts.length * OWN_WINDOW;
    const asked = prompts.map((content) => ({ kind: 'chat', messages: [{ role: 'user', content }] }));
    const request = { engine: denseEngine, prompts: asked, tokens, maxAnswerTokens: OWN_WINDOW, seed: 2, signal };
    const text = await train.generateCalibrationText(request);
    windows = text.sequences
      .filter((/** @type {Int32Array} */ { length }) => length >= OWN_WINDOW)
      .map((/** @type {Int32Array} */ sequence) => [...sequence.slice(0, OWN_WINDOW)]);
    writeJson(path, { windows });
  }
  const wanted = Math.ceil(ownTokens / OWN_WINDOW);
  const starts = await answerStarts(windows, prompts, model, modelPackage);
  windows = windows.filter((/** @type {unknown} */ _, /** @type {number} */ index) => starts[index] < OWN_WINDOW);
  if (windows.length < wanted) throw new Error(`The model wrote ${windows.length} long answers of ${wanted}. Give a smaller --own-tokens.`);
  const tokens = Int32Array.from(windows.slice(0, wanted).flat());
  const answers = starts.filter((start) => start < OWN_WINDOW).slice(0, wanted);
  return { ...preparedText(tokens, `answers of the dense model to ${wanted} prompts`, model, tokens.length), answers };
}
