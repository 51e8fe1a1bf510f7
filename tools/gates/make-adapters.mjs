// Makes the adapters that the report compares, from one configuration: texts, a profile, a fit, and trainings on the same text.
//
//   node tools/gates/make-adapters.mjs --model MODEL --data DIR [--config tools/gates/adapters.json] [--out .cache/gates]
//     [--tokens 262144] [--only minutes,lora] [--threads N]
//
// Needs built packages (npm run setup). --data is the folder that `texts` of the configuration are relative to. --tokens is what every
// training gets that the configuration gives no number of its own; the folder keeps it, so that no two adapters in it were trained on different amounts. What is there is not made
// again; a training that was stopped goes on from its last checkpoint.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { keepSettings, writeJson, writeWhole } from '../quality/files.mjs';
import { wholeOption } from '../quality/option-values.mjs';
import { recipeOf } from './recipe-of.mjs';
import { sourceText } from './source-text.mjs';

const here = import.meta.dirname;
const { values: options } = parseArgs({
  options: {
    config: { type: 'string', default: join(here, 'adapters.json') },
    model: { type: 'string' },
    data: { type: 'string' },
    out: { type: 'string', default: resolve(here, '../../.cache/gates') },
    tokens: { type: 'string', default: '262144' },
    only: { type: 'string' },
    threads: { type: 'string' },
  },
});
for (const needed of /** @type {const} */ (['model', 'data'])) if (!options[needed]) throw new Error(`Give --${needed}.`);
const { out, config: configFile } = options;
const model = /** @type {string} */ (options.model);
const data = /** @type {string} */ (options.data);
const tokens = wholeOption('tokens', options.tokens, 1024);
const threads = options.threads === undefined ? [] : ['--threads', String(wholeOption('threads', options.threads, 1))];
const only = options.only?.split(',');

/**
 * @typedef {object} AdapterEntry
 * @property {string} name
 * @property {'fit' | 'train'} verb
 * @property {readonly string[]} [texts] default: all
 * @property {readonly string[]} [arguments] more of the command
 * @property {string} [recipe] built-in, of verb `train`
 * @property {object} [changes] of the recipe
 * @property {number} [drop] layers of least influence that are left out
 * @property {string} [start] adapter to start from; default: what the recipe says
 * @property {number} [tokens] instead of what all others get
 */
/**
 * @typedef {object} TextSource one of `ownTokens` and `from`
 * @property {number} [ownTokens] to let the model write
 * @property {number} [seed] of own text
 * @property {string} [from] file in the folder of --data
 * @property {number} [characters] its first ones; default: all
 * @property {number} [choiceRecords] its first ones, of multiple choice: questions with their right answers
 */
/** @type {{ texts: Record<string, TextSource>, profile?: { texts: string[] }, adapters: AdapterEntry[] }} */
const config = JSON.parse(readFileSync(configFile, 'utf8'));
const unknown = only?.filter((name) => !config.adapters.some((entry) => entry.name === name)) ?? [];
if (unknown.length > 0) throw new Error(`${configFile} has no adapter ${unknown.join(', ')}.`);
const wanted = config.adapters.filter(({ name }) => only === undefined || only.includes(name));

mkdirSync(out, { recursive: true });
keepSettings(join(out, 'settings.json'), { tokens, texts: config.texts });
for (const [name, source] of Object.entries(config.texts)) await makeText(name, source);
const profile = join(out, 'profile.json');
if (wanted.some(({ drop }) => drop !== undefined) && !existsSync(profile)) {
  if (config.profile === undefined) throw new Error(`${configFile}: dropping layers needs a profile.`);
  await gateskip(['profile', model, '--text', ...textFiles(config.profile.texts), '--out', profile, ...threads]);
}
for (const entry of wanted) await makeAdapter(entry);

/** @param {string} name @param {TextSource} source */
async function makeText(name, { ownTokens, seed, from, ...part }) {
  const file = join(out, name);
  if (existsSync(file)) return;
  if (ownTokens !== undefined)
    return run(process.execPath, [
      join(here, 'write-own-text.mjs'),
      '--model',
      model,
      '--tokens',
      String(ownTokens),
      '--out',
      file,
      ...(seed === undefined ? [] : ['--seed', String(seed)]),
      ...threads,
    ]);
  if (from === undefined) throw new Error(`${configFile}: text ${name} needs from or ownTokens.`);
  writeWhole(file, sourceText(readFileSync(join(data, from), 'utf8'), part));
}

/** @param {AdapterEntry} entry */
async function makeAdapter(entry) {
  const { name, verb, start, drop } = entry;
  const file = join(out, `${name}.safetensors`);
  if (existsSync(file)) return;
  const text = ['--text', ...textFiles(entry.texts ?? Object.keys(config.texts))];
  const common = [model, ...text, '--out', file, '--name', name, ...threads, ...(entry.arguments ?? [])];
  if (verb === 'fit') return gateskip(['fit', ...common]);
  const recipe = join(out, `${name}.recipe.json`);
  writeJson(recipe, recipeOf(entry));
  const folder = join(out, `${name}.run`);
  await gateskip([
    'train',
    ...common,
    ...['--recipe', recipe, '--tokens', String(entry.tokens ?? tokens), '--run', folder],
    ...(existsSync(join(folder, 'config.json')) ? ['--resume'] : []),
    ...(start === undefined ? [] : ['--start', join(out, `${start}.safetensors`)]),
    ...(drop === undefined ? [] : ['--profile', profile]),
  ]);
}

/** @param {readonly string[]} names */
function textFiles(names) {
  return names.map((name) => join(out, name));
}

/** @param {readonly string[]} args */
function gateskip(args) {
  return run(process.execPath, [resolve(here, '../../apps/cli/dist/main.js'), ...args]);
}

/** @param {string} command @param {readonly string[]} args @returns {Promise<void>} */
function run(command, args) {
  console.error(`> ${args.slice(1).join(' ')}`);
  return new Promise((done, fail) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    child.on('error', fail);
    child.on('exit', (code, signal) => (code === 0 ? done() : fail(new Error(`${args[1]} ended with ${signal ?? code}.`))));
  });
}
