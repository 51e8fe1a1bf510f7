/** How the matrices of a written model are stored. */
export type WrittenModelType = 'F32' | 'F16' | 'Q8_0';

export interface WriteProgress {
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
  readonly signal?: AbortSignal;
}

/** Writes one form of model files. */
export interface FormWriter {
  readonly sizeBytes: number;
  /** File or folder that the source is. */
  readonly sourcePlace: string;
  /** What is there may be replaced by this form. @throws ModelNotWritableError */
  checkReplaced(target: string, isFolder: boolean): Promise<void>;
  /** @param request `beforeNamed` is called when all is written and nothing has the target's name yet */
  write(
    target: string,
    tensors: ReadonlyMap<string, Float32Array>,
    request: WriteProgress & { readonly beforeNamed: () => Promise<void> },
  ): Promise<void>;
}
