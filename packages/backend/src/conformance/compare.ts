import type { KvUsage, StepResult } from '../contract.js';
import { check } from './conformance-error.js';
import type { Tolerance } from './options.js';

/** Compares all of a step's result with the oracle's: counts exactly, numbers within the tolerance. */
export function compareResults(
  where: string,
  expected: StepResult,
  got: StepResult,
  tolerance: Tolerance,
  rows: number,
  vocabularySize: number,
): void {
  exactly(`${where}, kept`, expected.kept, got.kept);
  exactly(`${where}, keptRows`, expected.keptRows, got.keptRows);
  exactly(`${where}, macs`, expected.macs, got.macs);
  exactly(`${where}, denseMacs`, expected.denseMacs, got.denseMacs);
  closeScores(`${where}, scores`, expected.scores, got.scores, tolerance.scores);
  const width = expected.logits && got.logits ? vocabularySize : 0;
  check(
    (expected.logits === undefined) === (got.logits === undefined),
    () => `${where}: logits are ${got.logits ? 'there unasked' : 'missing'}.`,
  );
  if (expected.logits && got.logits) closeRows(`${where}, logits`, expected.logits, got.logits, width, tolerance.logits);
  check(
    (expected.hidden === undefined) === (got.hidden === undefined),
    () => `${where}: the hidden trace is ${got.hidden ? 'there unasked' : 'missing'}.`,
  );
  if (expected.hidden && got.hidden) {
    const squaredNorms = expected.hidden.streamSquaredNorms;
    const d = expected.hidden.inputs.length / squaredNorms.length;
    check(squaredNorms.length % rows === 0, () => `${where}: ${squaredNorms.length} squared norms for ${rows} rows.`);
    closeRows(`${where}, branch inputs`, expected.hidden.inputs, got.hidden.inputs, d, tolerance.hidden);
    closeRows(`${where}, branch outputs`, expected.hidden.outputs, got.hidden.outputs, d, tolerance.hidden, (row) =>
      Math.sqrt(squaredNorms[row]!),
    );
    closeRows(`${where}, stream norms`, squaredNorms, got.hidden.streamSquaredNorms, 1, 2 * tolerance.hidden);
  }
}

export function compareUsage(where: string, expected: KvUsage, got: KvUsage): void {
  check(expected.used === got.used && expected.dense === got.dense, () => {
    return `${where}: expected ${expected.used} K/V rows used of ${expected.dense} dense, got ${got.used} of ${got.dense}.`;
  });
  check(got.used === 0 ? got.bytes >= 0 : got.bytes > 0, () => `${where}: ${got.used} K/V rows in ${got.bytes} bytes.`);
}

type Numbers = Float32Array | Float64Array | Uint32Array | Uint8Array | Int32Array;

export function exactly(what: string, expected: Numbers | undefined, got: Numbers | undefined): void {
  check((expected === undefined) === (got === undefined), () => `${what}: ${got === undefined ? 'missing' : 'there unasked'}.`);
  if (expected === undefined || got === undefined) return;
  check(expected.length === got.length, () => `${what}: expected ${expected.length} numbers, got ${got.length}.`);
  for (let i = 0; i < expected.length; i++) {
    check(Object.is(expected[i], got[i]), () => `${what}: element ${i} should be ${expected[i]}, got ${got[i]}.`);
  }
}

/** Relative L2 distance per row of `width`; a row of zeros must be met exactly. `scale` enlarges what a row is compared with. */
export function closeRows(
  what: string,
  expected: Float32Array,
  got: Float32Array,
  width: number,
  tolerance: number,
  scale: (row: number) => number = () => 0,
): void {
  check(expected.length === got.length, () => `${what}: expected ${expected.length} numbers, got ${got.length}.`);
  let worst = { distance: -1, message: '' };
  for (let row = 0; row * width < expected.length; row++) {
    let squaredNorm = 0;
    let squaredDistance = 0;
    let furthest = 0;
    let furthestDistance = -1;
    for (let i = row * width; i < (row + 1) * width; i++) {
      const difference = got[i]! - expected[i]!;
      squaredNorm += expected[i]! ** 2;
      squaredDistance += difference ** 2;
      const distance = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.abs(difference);
      if (distance > furthestDistance) {
        furthest = i - row * width;
        furthestDistance = distance;
      }
    }
    const norm = squaredNorm === 0 ? 0 : Math.sqrt(squaredNorm) + scale(row);
    const distance = squaredDistance === 0 ? 0 : Math.sqrt(squaredDistance) / norm;
    const at = row * width + furthest;
    const message = `row ${row} is off by ${distance.toExponential(2)} (allowed ${tolerance}); element ${furthest}: expected ${expected[at]}, got ${got[at]}`;
    if (Number.isNaN(distance) || distance > worst.distance) worst = { distance, message };
    if (Number.isNaN(distance)) break;
  }
  check(!(worst.distance > tolerance) && !Number.isNaN(worst.distance), () => `${what}: ${worst.message}.`);
}

function closeScores(what: string, expected: Float32Array | undefined, got: Float32Array | undefined, tolerance: number): void {
  check((expected === undefined) === (got === undefined), () => `${what}: ${got === undefined ? 'missing' : 'there unasked'}.`);
  if (expected === undefined || got === undefined) return;
  check(expected.length === got.length, () => `${what}: expected ${expected.length} numbers, got ${got.length}.`);
  for (let i = 0; i < expected.length; i++) {
    const isNear = Number.isNaN(expected[i]) ? Number.isNaN(got[i]) : Math.abs(expected[i]! - got[i]!) <= tolerance;
    check(isNear, () => `${what}: element ${i} should be ${expected[i]} within ${tolerance}, got ${got[i]}.`);
  }
}
