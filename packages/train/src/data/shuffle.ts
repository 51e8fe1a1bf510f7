/** One seed of several numbers; order counts. */
export function mixSeeds(...seeds: readonly number[]): number {
  return seeds.reduce((state, seed) => mix((state ^ mix(seed >>> 0)) >>> 0), 0x6a09e667);
}

/** 0..count-1 in an order that follows from the seed alone (Fisher and Yates over splitmix32). */
export function shuffledIndices(count: number, seed: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  let state = seed >>> 0;
  for (let last = count - 1; last > 0; last--) {
    state = (state + 0x9e3779b9) >>> 0;
    const other = Math.floor((mix(state) / 4294967296) * (last + 1));
    const kept = order[last] as number;
    order[last] = order[other] as number;
    order[other] = kept;
  }
  return order;
}

function mix(value: number): number {
  let z = (value + 0x9e3779b9) >>> 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}
