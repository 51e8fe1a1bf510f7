import type { ModelShape } from '@gateskip/gate';

/** How rotary embedding pairs the dimensions of a head: (2i, 2i+1) as GGUF's llama files store it, or (i, i + size/2). */
export type RopeLayout = 'interleaved' | 'half';

/** Llama 3 style stretching of the rotary frequencies; the other kinds are refused by name. */
export interface RopeScaling {
  readonly kind: 'linear' | 'llama3';
  readonly factor: number;
  readonly lowFrequencyFactor?: number;
  readonly highFrequencyFactor?: number;
  readonly originalContextLength?: number;
}

/** A Llama-family decoder: RMS norm, rotary attention with grouped K/V heads, gated SiLU MLP. */
export interface ModelConfig extends ModelShape {
  readonly architecture: 'llama';
  readonly name: string;
  readonly contextLength: number;
  readonly rmsNormEpsilon: number;
  readonly ropeTheta: number;
  readonly ropeLayout: RopeLayout;
  /** Leading dimensions of each head that rotate; the head size for plain Llama. */
  readonly ropeSize: number;
  readonly ropeScaling?: RopeScaling;
  /** Whether the output head is the token embedding. */
  readonly tiedEmbeddings: boolean;
}
