export { ADDON_VARIABLE } from './addon.js';
export { cpuBackend } from './cpu-backend.js';
export type { MachineMeasurement, MeasureMachineOptions } from './measure-machine.js';
export { measureMachine } from './measure-machine.js';
export { INSTRUCTION_SET_VARIABLE } from './options.js';
export type { RepackCacheReport } from './repack-cache.js';
export { inspectRepackCache, REPACK_CACHE_VARIABLE } from './repack-cache.js';
