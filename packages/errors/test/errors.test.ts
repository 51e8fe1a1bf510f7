import { describe, expect, it } from 'vitest';
import * as errors from '../src/index.js';

const { GateskipError, isGateskipError } = errors;

/** One of each cause, with the code that programs rely on. */
const causes: readonly [string, errors.GateskipError][] = [
  ['GS_INVALID_ARGUMENT', new errors.InvalidArgumentError('budget is 2.', 'Give 0..1.', { got: 2 })],
  ['GS_SHAPE_MISMATCH', new errors.ShapeMismatchError('gate', [2, 3], [3, 2], 'Transpose it.')],
  ['GS_UNSUPPORTED', new errors.UnsupportedError('Tensor type Q2_K.', 'Use Q4_1.')],
  ['GS_BACKEND_UNAVAILABLE', new errors.BackendUnavailableError('cpu', ['no addon', 'no compiler'], 'Build it.')],
  ['GS_INSUFFICIENT_MEMORY', new errors.InsufficientMemoryError('K/V rows', 3 * 1048576, 1.5 * 1048576, 'Lower maxTokens.')],
  ['GS_ABORTED', new errors.AbortedError('Generation')],
  ['GS_CLOSED', new errors.ClosedError('The runner')],
  ['GS_BUSY', new errors.BusyError('The runner')],
];

describe.each(causes)('%s', (code, error) => {
  it('keeps its code, its class name and the numbers, and says the remedy last', () => {
    expect(error).toBeInstanceOf(GateskipError);
    expect(error.code).toBe(code);
    expect(error.name).toBe(error.constructor.name);
    expect(error.message.endsWith(error.remedy)).toBe(true);
    expect(error.stack).toContain(error.message);
  });

  it('survives JSON', () => {
    const { message, remedy, fields } = error;
    expect(JSON.parse(JSON.stringify(error))).toEqual({ code, message, remedy, fields: JSON.parse(JSON.stringify(fields)) });
  });
});

it('has one code per class', () => {
  expect(new Set(causes.map(([code]) => code)).size).toBe(causes.length);
  const classes = Object.values(errors).filter((value) => value.prototype instanceof GateskipError);
  expect(new Set(causes.map(([, error]) => error.constructor))).toEqual(new Set(classes));
});

it('says the numbers', () => {
  expect(causes[1]?.[1].message).toBe('gate: expected shape [2,3], got [3,2]. Transpose it.');
  expect(causes[3]?.[1].message).toBe('Backend "cpu" cannot run here: no addon; no compiler. Build it.');
  expect(causes[4]?.[1].message).toBe('K/V rows needs 3.0 MiB, 1.5 MiB are allowed. Lower maxTokens.');
});

it('keeps the cause', () => {
  const cause = new Error('EACCES');
  expect(new GateskipError('GS_X', 'No.', '', {}, { cause }).cause).toBe(cause);
});

it('knows an error of another copy, and nothing else', () => {
  expect(isGateskipError(Object.assign(new Error('from another copy'), { code: 'GS_BUSY' }))).toBe(true);
  expect(isGateskipError(Object.assign(new Error('file'), { code: 'ENOENT' }))).toBe(false);
  expect(isGateskipError({ code: 'GS_BUSY' })).toBe(false);
  expect(isGateskipError(undefined)).toBe(false);
});
