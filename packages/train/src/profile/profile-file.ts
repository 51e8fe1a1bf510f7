import { open } from 'node:fs/promises';
import { type Model, writeFileAtomically } from '@gateskip/model';
import { ProfileInvalidError, ProfileMismatchError } from './errors.js';
import { type ModelProfile, PROFILE_FORMAT } from './model-profile.js';

/** Larger than the profile of any model: 512 branches of width 16,384 are 45 MB. */
const MOST_BYTES = 128 * 1048576;
const MOST_LAYERS = 4096;
const MOST_WIDTH = 65_536;

/** Mean outputs in files: little-endian float32 in base64. */
interface StoredVectors {
  readonly encoding: 'f32-le-base64';
  readonly shape: readonly [branches: number, d: number];
  readonly data: string;
}

/** A profile as one JSON document; {@link readProfile} reads it back. */
export function profileJson(profile: ModelProfile): string {
  const { meanOutputs, ...rest } = profile;
  const bytes = new Uint8Array(meanOutputs.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of meanOutputs.entries()) view.setFloat32(4 * i, value, true);
  const stored: StoredVectors = {
    encoding: 'f32-le-base64',
    shape: [2 * profile.model.layers, profile.model.hiddenSize],
    data: Buffer.from(bytes).toString('base64'),
  };
  return `${JSON.stringify({ ...rest, meanOutputs: stored }, null, 1)}\n`;
}

/** @throws DiskFullError, ModelIoError */
export async function writeProfile(path: string, profile: ModelProfile): Promise<void> {
  await writeFileAtomically(path, [Buffer.from(profileJson(profile))]);
}

/**
 * Reads a profile that may come from anywhere: its size is bounded and every number checked.
 *
 * @throws ProfileInvalidError
 */
export async function readProfile(path: string): Promise<ModelProfile> {
  return parseProfile(await readBounded(path), path);
}

/** @param path for messages @throws ProfileInvalidError */
export function parseProfile(text: string, path: string): ModelProfile {
  const invalid = (message: string): ProfileInvalidError => new ProfileInvalidError(path, message);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(`it is no JSON: ${error instanceof Error ? error.message.slice(0, 200) : String(error)}.`);
  }
  const record = (what: string, part: unknown): Record<string, unknown> => {
    if (part === null || typeof part !== 'object' || Array.isArray(part)) throw invalid(`${what} is no object.`);
    return part as Record<string, unknown>;
  };
  const whole = (what: string, part: unknown, least: number, most: number): number => {
    if (typeof part !== 'number' || !Number.isInteger(part) || part < least || part > most)
      throw invalid(`${what} must be an integer in ${least}..${most}, it is ${JSON.stringify(part)?.slice(0, 60)}.`);
    return part;
  };
  const string = (what: string, part: unknown): string => {
    if (typeof part !== 'string' || part.length > 4096) throw invalid(`${what} must be a text of at most 4096 characters.`);
    return part;
  };
  const numbers = (what: string, part: unknown, count: number, least: number, most: number): number[] => {
    if (!Array.isArray(part) || part.length !== count) throw invalid(`${what} must be a list of ${count} numbers.`);
    const bad = part.findIndex((item) => typeof item !== 'number' || !(item >= least && item <= most));
    if (bad >= 0) throw invalid(`${what} is ${JSON.stringify(part[bad])} at ${bad}, expected ${least}..${most}.`);
    return part as number[];
  };

  const root = record('It', value);
  if (root.format !== PROFILE_FORMAT)
    throw invalid(`its format is ${JSON.stringify(root.format)?.slice(0, 60)}, expected "${PROFILE_FORMAT}".`);
  const model = record('model', root.model);
  const about = record('text', root.text);
  const layers = whole('model.layers', model.layers, 1, MOST_LAYERS);
  const hiddenSize = whole('model.hiddenSize', model.hiddenSize, 1, MOST_WIDTH);
  const branches = 2 * layers;
  const tokens = (name: string): number => whole(`text.${name}`, about[name], 0, Number.MAX_SAFE_INTEGER);
  return {
    format: PROFILE_FORMAT,
    model: { name: string('model.name', model.name), fingerprint: string('model.fingerprint', model.fingerprint), layers, hiddenSize },
    text: {
      description: string('text.description', about.description),
      tokens: tokens('tokens'),
      removalTokens: tokens('removalTokens'),
      removalRows: tokens('removalRows'),
      windowTokens: tokens('windowTokens'),
      pinnedTokens: tokens('pinnedTokens'),
    },
    // A cosine's rounding may pass 1 by a hair.
    blockInfluence: numbers('blockInfluence', root.blockInfluence, layers, -1e-3, 2.001),
    removalKl: numbers('removalKl', root.removalKl, branches, 0, 1e6),
    removalTop1: numbers('removalTop1', root.removalTop1, branches, 0, 1),
    relativeNorms: numbers('relativeNorms', root.relativeNorms, branches, 0, 1e12),
    meanOutputs: vectors(record('meanOutputs', root.meanOutputs), branches, hiddenSize, invalid),
  };
}

function vectors(stored: Record<string, unknown>, branches: number, d: number, invalid: (message: string) => Error): Float32Array {
  const { encoding, shape, data } = stored;
  if (encoding !== 'f32-le-base64')
    throw invalid(`meanOutputs has the encoding ${JSON.stringify(encoding)?.slice(0, 60)}, expected "f32-le-base64".`);
  if (!Array.isArray(shape) || shape.length !== 2 || shape[0] !== branches || shape[1] !== d)
    throw invalid(`meanOutputs has the shape ${JSON.stringify(shape)?.slice(0, 60)}, expected [${branches},${d}].`);
  const bytes = 4 * branches * d;
  if (typeof data !== 'string' || data.length !== 4 * Math.ceil(bytes / 3) || !/^[A-Za-z0-9+/]*={0,2}$/.test(data))
    throw invalid(`meanOutputs.data must be ${bytes} bytes in base64.`);
  const raw = Buffer.from(data, 'base64');
  if (raw.length !== bytes) throw invalid(`meanOutputs.data must be ${bytes} bytes in base64, it is ${raw.length}.`);
  const values = Float32Array.from({ length: branches * d }, (_, i) => raw.readFloatLE(4 * i));
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw invalid(`meanOutputs is not finite at ${bad}.`);
  return values;
}

/** Throws unless the profile was made of this model. @throws ProfileMismatchError */
export function assertProfileFits(
  profile: Pick<ModelProfile, 'model'>,
  { config, fingerprint }: Pick<Model, 'config' | 'fingerprint'>,
  { allowOtherWeights = false }: { readonly allowOtherWeights?: boolean } = {},
): void {
  const got = profile.model;
  const expected = { fingerprint, layers: config.layers, hiddenSize: config.hiddenSize };
  if (got.layers !== expected.layers || got.hiddenSize !== expected.hiddenSize) {
    throw new ProfileMismatchError(
      `The profile is of ${got.name} with ${got.layers} layers of width ${got.hiddenSize}; model "${config.name}" has ${expected.layers} layers of width ${expected.hiddenSize}.`,
      expected,
      got,
    );
  }
  if (got.fingerprint === fingerprint || allowOtherWeights) return;
  throw new ProfileMismatchError(
    `The profile is of other weights (${got.name}, ${got.fingerprint.slice(0, 12)}) than those of model "${config.name}" (${fingerprint.slice(0, 12)}).`,
    expected,
    got,
  );
}

async function readBounded(path: string): Promise<string> {
  const cannot = (error: unknown): ProfileInvalidError =>
    new ProfileInvalidError(path, `it cannot be read: ${error instanceof Error ? error.message : String(error)}.`);
  const file = await open(path, 'r').catch((error: unknown) => {
    throw cannot(error);
  });
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new ProfileInvalidError(path, 'it is no file.');
    if (found.size > MOST_BYTES) throw new ProfileInvalidError(path, `it has ${found.size} bytes, at most ${MOST_BYTES} are read.`);
    return await file.readFile('utf8').catch((error: unknown) => {
      throw cannot(error);
    });
  } finally {
    await file.close();
  }
}
