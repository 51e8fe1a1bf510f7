/** Uniform in [0, 1) with 32 bits, equal on every machine: splitmix32 (Steele, Lea, Flood 2014, in 32 bits). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 4294967296;
  };
}

/** `count` different indices below `length`, ascending; all where there are no more. */
export function sampleIndices(length: number, count: number, seed: number): number[] {
  const indices = Array.from({ length }, (_, index) => index);
  if (count >= length) return indices;
  const random = seededRandom(seed);
  for (let place = 0; place < count; place++) {
    const other = place + Math.floor(random() * (length - place));
    [indices[place], indices[other]] = [indices[other] as number, indices[place] as number];
  }
  return indices.slice(0, count).sort((a, b) => a - b);
}
