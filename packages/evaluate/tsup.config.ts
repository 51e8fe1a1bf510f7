export { default } from '../../tools/build/tsup.config.ts';
