/**
 * Score of the `random` scorer: uniform in (0, 1), a pure function of its arguments, so that every backend draws the
 * same one and neither chunking nor batch mates change it. Two rounds of the 32-bit murmur3 finaliser (Appleby).
 *
 * @returns `(h + 0.5) / 2^23` with h of 23 bits: exact in float32 and never 0 or 1.
 */
export function randomScore(seed: number, position: number, branch: number): number {
  const first = mix((seed ^ Math.imul(position + 1, 0x9e3779b1)) >>> 0);
  const second = mix((first ^ Math.imul(branch + 1, 0x85ebca77)) >>> 0);
  return ((second >>> 9) + 0.5) / 8388608;
}

function mix(value: number): number {
  let h = value >>> 0;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b) >>> 0;
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35) >>> 0;
  h ^= h >>> 16;
  return h >>> 0;
}
