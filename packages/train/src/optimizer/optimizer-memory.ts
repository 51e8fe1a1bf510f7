import { InsufficientMemoryError } from '@gateskip/errors';
import type { OptimizedParameter } from './adam-w.js';

const MOMENT_BYTES = 8;

/** Two moments of float32 a number. @throws InsufficientMemoryError */
export function checkOptimizerMemory(parameters: readonly Pick<OptimizedParameter, 'value'>[]): void {
  const needed = parameters.reduce((sum, { value }) => sum + MOMENT_BYTES * value.length, 0);
  const available = process.availableMemory();
  if (needed > available) throw new InsufficientMemoryError('The optimiser', needed, available, 'Train fewer parameter groups.');
}
