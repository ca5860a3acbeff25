/** The URIs that the page gives the script. */

const { dataset } = /** @type {HTMLElement} */ (document.querySelector("script[data-root]"));

/** The root of the API. */
export const root = String(dataset.root);
/** The resource with the forms to sign in and to refresh. */
export const signIn = String(dataset.signIn);
/** The resource with the form to register; empty when registration is closed. */
export const register = String(dataset.register);
/** The relations of the root's links that lead to nothing for people. */
export const forPrograms = String(dataset.forPrograms).split(" ");

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
