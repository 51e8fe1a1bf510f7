const pattern = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** @param {string} name kebab-case, as in a folder's name */
export function isKebabCase(name) {
  return pattern.test(name) && name.length <= 60;
}

/** `static-depth` -> `staticDepth`. @param {string} name */
export function camelCase(name) {
  return name.replace(/-([a-z0-9])/g, (_, letter) => letter.toUpperCase());
}
