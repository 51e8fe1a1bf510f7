import type { Backend } from '@gateskip/backend';
import { UnsupportedError } from '@gateskip/errors';
import type { Model } from '@gateskip/model';

/** Whose slopes are asked for. */
export interface SlopesRequest {
  readonly model: Model;
  readonly backend: Backend;
  readonly threads?: number;
  readonly signal?: AbortSignal;
}

/** A backend whose trainer tells slopes. @throws UnsupportedError for others */
export function assertTells(backend: Backend): asserts backend is Backend & Required<Pick<Backend, 'loadTrainer'>> {
  if (backend.loadTrainer) return;
  throw new UnsupportedError(
    `Backend ${backend.name} cannot train, and importance fisher and measured need slopes.`,
    'Use cpu or reference, or importance norm.',
    { what: backend.name },
  );
}
