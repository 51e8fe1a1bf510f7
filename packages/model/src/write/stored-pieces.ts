import { AbortedError } from '@gateskip/errors';
import { dequantize, storedBytes } from '../formats/dequantize.js';
import { quantize } from '../formats/quantize.js';
import type { Model } from '../model.js';
import { ModelNotWritableError } from './errors.js';
import type { TensorPlan } from './tensor-plan.js';

/** Values converted at once: bounds memory whatever the size of a tensor. */
const pieceValues = 1 << 20;
/** From here on binary16 rounds to infinity. */
const halfLimit = 65520;

/**
 * A tensor as it is stored, in pieces of whole rows: new values, or those of the source.
 *
 * @throws ModelNotWritableError for numbers that are not finite or that the type cannot hold, AbortedError, ModelIoError
 */
export async function* storedPieces(
  source: Model,
  plan: TensorPlan,
  values: Float32Array | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const { name, type: sourceType, rows, columns } = plan.info;
  const bytes = values ? undefined : await source.read(name);
  const rowBytes = storedBytes(sourceType, columns);
  const rowsAtOnce = Math.max(1, Math.floor(pieceValues / columns));
  for (let row = 0; row < rows; row += rowsAtOnce) {
    if (signal?.aborted) throw new AbortedError('Writing the model');
    const end = Math.min(rows, row + rowsAtOnce);
    const part = bytes
      ? dequantize(sourceType, bytes.subarray(row * rowBytes, end * rowBytes), (end - row) * columns)
      : (values as Float32Array).subarray(row * columns, end * columns);
    checkValues(plan, part, row);
    yield quantize(plan.type, part);
    // Let timers and aborts through: a large model takes seconds.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function checkValues({ info: { name, columns }, type }: TensorPlan, values: Float32Array, firstRow: number): void {
  const limit = type === 'F32' ? Number.POSITIVE_INFINITY : halfLimit;
  // Q8_0 scales are binary16 too, of a 127th of the largest value.
  const most = type === 'Q8_0' ? 127 * limit : limit;
  const bad = values.findIndex((value) => !(Math.abs(value) < most));
  if (bad < 0) return;
  const got = values[bad] as number;
  const at = `row ${firstRow + Math.floor(bad / columns)}, column ${bad % columns}`;
  throw new ModelNotWritableError(
    `Tensor "${name}" holds ${got} at ${at}, which ${type} cannot hold.`,
    Number.isFinite(got) ? 'Write the model as F32.' : 'Weights that are not finite are no model: train with lower rates.',
    { what: name, got },
  );
}
