export { ADDON_VARIABLE } from './addon.js';
export { cpuBackend } from './cpu-backend.js';
export { INSTRUCTION_SET_VARIABLE } from './options.js';
