/**
 * Shapes to write with random weights.
 *
 * @typedef {{ layers: number, hiddenSize: number, heads: number, kvHeads: number, headSize: number, intermediateSize: number,
 *   vocabularySize: number, ropeTheta: number, contextLength: number }} Shape
 * @type {Readonly<Record<string, Shape>>}
 */
export const shapes = {
  /** Llama-3.2-1B's sizes: decode is bound by how fast weights are read. */
  '1b': {
    layers: 16,
    hiddenSize: 2048,
    heads: 32,
    kvHeads: 8,
    headSize: 64,
    intermediateSize: 8192,
    vocabularySize: 128256,
    ropeTheta: 500000,
    contextLength: 8192,
  },
  /** Small enough that what a step costs besides its weights shows. */
  '30m': {
    layers: 8,
    hiddenSize: 384,
    heads: 6,
    kvHeads: 2,
    headSize: 64,
    intermediateSize: 1024,
    vocabularySize: 49152,
    ropeTheta: 10000,
    contextLength: 4096,
  },
  /** For tests. */
  tiny: {
    layers: 2,
    hiddenSize: 64,
    heads: 2,
    kvHeads: 1,
    headSize: 32,
    intermediateSize: 96,
    vocabularySize: 512,
    ropeTheta: 10000,
    contextLength: 1024,
  },
};
