import { printable } from '../errors.js';

export type Fail = (message: string) => never;
export type Json = Readonly<Record<string, unknown>>;

export function object(value: unknown, what: string, fail: Fail): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(`${what} is not an object.`);
  return value as Json;
}

export function list(value: unknown, what: string, limit: number, fail: Fail): readonly unknown[] {
  if (!Array.isArray(value) || value.length > limit) fail(`"${what}" is not a list of at most ${limit} entries.`);
  return value as readonly unknown[];
}

export function whole(value: unknown, what: string, low: number, high: number, fail: Fail): number {
  if (!Number.isSafeInteger(value) || (value as number) < low || (value as number) > high)
    fail(`"${what}" is ${printable(String(value))}; a whole number from ${low} to ${high} is needed.`);
  return value as number;
}

export function checkFinite(values: ArrayLike<number>, what: string, fail: Fail): void {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) fail(`${what} holds ${values[i]} at ${i}.`);
}
