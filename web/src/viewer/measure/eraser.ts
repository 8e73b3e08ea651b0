// SPDX-License-Identifier: Apache-2.0
// What a reader may not change: measurements of others are drawn apart, and the eraser passes them.
import { annotation, EraserTool } from '@cornerstonejs/tools'

const OTHERS = '#c9a3ff'

/** Lock a drawing and draw it as somebody else's: dashed, in another colour. */
export function readOnly(id: string): void {
  annotation.locking.setAnnotationLocked(id, true)
  annotation.config.style.setAnnotationStyles(id, {
    color: OTHERS,
    colorLocked: OTHERS,
    lineDash: '5,4',
    lineDashLocked: '5,4',
    textBoxColor: OTHERS,
    textBoxColorLocked: OTHERS,
  })
}

export function isReadOnly(id: string | undefined): boolean {
  return id !== undefined && annotation.locking.isAnnotationLocked(id)
}

type Press = Parameters<EraserTool['_deleteNearbyAnnotations']>[0]

/** The engine's eraser takes locked drawings too; while it looks, they are out of its sight. */
export class OwnEraserTool extends EraserTool {
  override _deleteNearbyAnnotations(press: Press, kind: string): boolean {
    const held = annotation.state.getAllAnnotations().filter((a) => isReadOnly(a.annotationUID))
    for (const each of held) each.isVisible = false
    try {
      return super._deleteNearbyAnnotations(press, kind)
    } finally {
      for (const each of held) each.isVisible = true
    }
  }
}
