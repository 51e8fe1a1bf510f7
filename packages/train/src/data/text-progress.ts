/** Phases of getting text: bytes read from files, or tokens written by the model. */
export type TextPhase = 'read' | 'generate';

export interface TextProgress {
  readonly phase: TextPhase;
  readonly done: number;
  readonly total: number;
}
