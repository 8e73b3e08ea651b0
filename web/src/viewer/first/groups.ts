// SPDX-License-Identifier: Apache-2.0
// The tools over the pictures, in their groups; light, since their place is kept before the viewer's code is there.
import type { Action } from '../prefs'

export const TOOL_GROUPS: Action[][] = [
  ['window', 'scroll', 'pan', 'zoom', 'crosshairs'],
  ['length', 'bidirectional', 'angle', 'ellipse', 'rectangle', 'probe', 'arrow', 'erase'],
  ['invert', 'flipHorizontal', 'flipVertical', 'rotate', 'reset'],
  ['undo', 'redo', 'save'],
  ['overlays', 'texts', 'link'],
  ['layout1', 'layout2', 'layout4', 'mpr', 'mip', 'space'],
]
