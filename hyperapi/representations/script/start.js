/** The URIs that the page gives the script. */

const { dataset } = /** @type {HTMLElement} */ (document.querySelector("script[data-root]"));

/** The root of the API. */
export const root = String(dataset.root);
/** The resource with the forms to sign in and to refresh. */
export const signIn = String(dataset.signIn);

/** The URI of a relation's page. */
export const relation = (/** @type {string} */ name) =>
  String(dataset.relations).replace("{name}", encodeURIComponent(name));

/** Whether the script may ask for a URI: it sends the token to the service alone. */
export function isOurs(uri) {
  try {
    return new URL(uri).origin === new URL(root).origin;
  } catch {
    return false;
  }
}
