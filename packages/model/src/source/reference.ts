import { printable } from '../errors.js';
import { ModelNameError } from './errors.js';

/** What a reference names. Every part has been checked against an allow-list of characters. */
export type Reference =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'short'; readonly name: string }
  | {
      readonly kind: 'hf';
      readonly repo: string;
      readonly revision: string;
      readonly file?: string;
      /** A data set instead of a model: another place on the hub. */
      readonly isDataSet?: true;
    }
  | { readonly kind: 'pypi'; readonly package: string; readonly version?: string; readonly file?: string };

const maxLength = 4096;
const segment = /^[A-Za-z0-9_][A-Za-z0-9 ._+-]{0,127}$/;

/**
 * Reads a reference: a path, `hf:owner/repo[@revision][/file]`, `pypi:package[==version][/file]` or a short name.
 * A bare word is a short name; anything with a slash or a file ending is a path.
 * @throws ModelNameError
 */
export function parseReference(text: string, shortNames: ReadonlySet<string>): Reference {
  if (typeof text !== 'string' || text.length === 0 || text.length > maxLength)
    throw new ModelNameError(`A model reference has 1 to ${maxLength} characters.`);
  if (/\p{Cc}/u.test(text)) throw new ModelNameError(`The reference "${printable(text)}" holds control characters.`);
  if (text.startsWith('hf:')) return parseHub(text);
  if (text.startsWith('pypi:')) return parsePypi(text);
  if (shortNames.has(text)) return { kind: 'short', name: text };
  const isDrive = /^[A-Za-z]:[\\/]/.test(text);
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]+):/.exec(text);
  if (scheme && !isDrive)
    throw new ModelNameError(`The reference "${printable(text)}" has the unknown scheme "${printable(scheme[1] as string)}".`);
  if (isDrive || /[\\/]/.test(text) || /\.(gguf|safetensors)$/.test(text) || text === '.' || text === '..')
    return { kind: 'path', path: text };
  throw new ModelNameError(`"${printable(text)}" is no short name; known are ${[...shortNames].join(', ')}.`);
}

function parseHub(text: string): Reference {
  const match = /^hf:([^/@]+)\/([^/@]+)(?:@([^/]+))?(?:\/(.+))?$/.exec(text);
  const isName = (part: string | undefined): boolean =>
    part !== undefined && /^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$/.test(part) && !part.includes('..');
  if (!match || !isName(match[1]) || !isName(match[2]))
    throw new ModelNameError(`"${printable(text)}" is not of the form hf:owner/repo[@revision][/file].`);
  const revision = match[3] ?? 'main';
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(revision) || revision.includes('..'))
    throw new ModelNameError(`"${printable(revision)}" is not a revision.`);
  return { kind: 'hf', repo: `${match[1]}/${match[2]}`, revision, ...(match[4] ? { file: checkRelativePath(match[4]) } : {}) };
}

function parsePypi(text: string): Reference {
  const match = /^pypi:([A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?)(?:==([A-Za-z0-9][A-Za-z0-9.!+_-]{0,63}))?(?:\/(.+))?$/.exec(text);
  if (!match) throw new ModelNameError(`"${printable(text)}" is not of the form pypi:package[==version][/file].`);
  return {
    kind: 'pypi',
    package: match[1] as string,
    ...(match[2] ? { version: match[2] } : {}),
    ...(match[3] ? { file: checkRelativePath(match[3]) } : {}),
  };
}

/** A path of plain names, as it may be joined to a folder of ours: no `..`, no hidden names, no drive, no backslash. */
export function checkRelativePath(path: string): string {
  const parts = path.split('/');
  if (path.length > 512 || parts.length > 8 || !parts.every((part) => segment.test(part) && !part.endsWith('.') && !part.endsWith(' '))) {
    throw new ModelNameError(`"${printable(path)}" is not a plain file name.`);
  }
  return path;
}

export function formatReference(reference: Reference): string {
  switch (reference.kind) {
    case 'path':
      return reference.path;
    case 'short':
      return reference.name;
    case 'hf':
      return `${reference.isDataSet ? 'hf-data' : 'hf'}:${reference.repo}${reference.revision === 'main' ? '' : `@${reference.revision}`}${reference.file ? `/${reference.file}` : ''}`;
    case 'pypi':
      return `pypi:${reference.package}${reference.version ? `==${reference.version}` : ''}${reference.file ? `/${reference.file}` : ''}`;
  }
}

/** Reads `hf:owner/name[@revision]/path/file` as a file of a data set. @throws ModelNameError */
export function parseDataReference(text: string): Reference {
  const reference = typeof text === 'string' && text.startsWith('hf:') && text.length <= maxLength ? parseHub(text) : undefined;
  if (reference?.kind !== 'hf' || reference.file === undefined)
    throw new ModelNameError(`"${printable(String(text))}" is not of the form hf:owner/name[@revision]/path/file.`);
  return { ...reference, isDataSet: true };
}
