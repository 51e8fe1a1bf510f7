import { type StandInMap, standInRank } from '@gateskip/gate';
import { type SafetensorsTensor, writeSafetensors } from '../safetensors/write-file.js';
import { checkAdapterHead } from './check-adapter.js';
import { describeBackbone } from './check-backbone.js';
import { checkGates } from './check-gates.js';
import { AdapterInvalidError } from './errors.js';
import type { GateAdapter } from './gate-adapter.js';
import { gatePrefix, gateShapes, standInMapFields, standInMapNames, standInMapShapes, standInName } from './gate-shapes.js';
import { type StoredType, store, storeBackbone } from './store-tensors.js';

export interface WriteAdapterOptions {
  /** How gates and stand-ins are stored; default F32. Narrower types round, so a calibration belongs to the adapter as read back. */
  readonly type?: StoredType;
  /** How low-rank additions and maps of stand-ins are stored; default BF16, which rounds. Norm weights are always F32. */
  readonly loraType?: StoredType;
}

/** Key of the safetensors metadata under which an adapter describes itself. */
export const metadataKey = 'gateskip';

/**
 * Writes a gate adapter as a safetensors file, whole or not at all.
 * @throws AdapterInvalidError where the adapter breaks its own rules, or its numbers do not fit the type.
 */
export async function writeAdapter(path: string, adapter: GateAdapter, options: WriteAdapterOptions = {}): Promise<void> {
  const fail = (message: string): never => {
    throw new AdapterInvalidError(path, message);
  };
  const { gates, backbone, ...rest } = adapter;
  const { spec, hiddenSize } = gates;
  const hasStandIns = gates.standIns !== undefined;
  const isKnown = rest.formatVersion === 1 || rest.formatVersion === 2 || rest.formatVersion === 3;
  const formatVersion = isKnown ? 1 : rest.formatVersion;
  const plainHead = checkAdapterHead({ ...rest, formatVersion, spec, hiddenSize, hasStandIns }, fail);
  checkGates(gates, adapter.layers, fail);
  const changes = backbone && describeBackbone(backbone, adapter.layers, hiddenSize, fail);
  const type = options.type ?? 'F32';
  const factorType = options.loraType ?? 'BF16';
  const rank = standInRank(gates);
  const tensors = new Map<string, SafetensorsTensor>();
  const shapes = gateShapes(spec, hiddenSize);
  for (const [branch, gate] of gates.gates.entries()) {
    for (const [field, shape] of shapes) {
      const name = `${gatePrefix(spec, branch)}.${field}`;
      if (!tensors.has(name)) tensors.set(name, { type, shape, bytes: store(gate[field] as Float32Array, type, name, fail) });
    }
    const standIn = gates.standIns?.[branch];
    if (standIn) tensors.set(standInName(branch), { type, shape: [hiddenSize], bytes: store(standIn, type, standInName(branch), fail) });
    const map = gates.standInMaps?.[branch];
    for (const field of map ? standInMapFields : []) {
      const name = standInMapNames(branch)[field];
      const values = (map as StandInMap)[field];
      tensors.set(name, {
        type: factorType,
        shape: standInMapShapes(rank, hiddenSize)[field],
        bytes: store(values, factorType, name, fail),
      });
    }
  }
  if (backbone) storeBackbone(backbone, factorType, tensors, fail);
  const head = {
    ...plainHead,
    formatVersion: rank > 0 ? 3 : changes ? 2 : 1,
    ...(rank > 0 && { standInRank: rank }),
    ...(changes && { backbone: changes }),
  };
  await writeSafetensors(path, tensors, { format: 'pt', [metadataKey]: JSON.stringify(head) });
}
