// SPDX-License-Identifier: Apache-2.0
// The tools and their groups: planes share one group, the reformatted ones add crosshairs.
import {
  addTool,
  annotation,
  AngleTool,
  ArrowAnnotateTool,
  BidirectionalTool,
  CrosshairsTool,
  EllipticalROITool,
  Enums,
  LengthTool,
  PanTool,
  PlanarRotateTool,
  ProbeTool,
  RectangleROITool,
  StackScrollTool,
  ToolGroupManager,
  TrackballRotateTool,
  WindowLevelTool,
  ZoomTool,
  type Types as ToolTypes,
} from '@cornerstonejs/tools'
import { isReadOnly, OwnEraserTool } from './measure/eraser'
import { measureLines } from './measure/lines'
import type { Vec } from './geometry'
import { view, type Tool } from './store'

export const PLANES = 'hv-planes'
export const REFORMATS = 'hv-reformats'
export const SPACE = 'hv-space'
const { MouseBindings, KeyboardBindings } = Enums

const NAMES: Record<Tool, string> = {
  window: WindowLevelTool.toolName,
  scroll: StackScrollTool.toolName,
  pan: PanTool.toolName,
  zoom: ZoomTool.toolName,
  length: LengthTool.toolName,
  angle: AngleTool.toolName,
  bidirectional: BidirectionalTool.toolName,
  ellipse: EllipticalROITool.toolName,
  rectangle: RectangleROITool.toolName,
  probe: ProbeTool.toolName,
  arrow: ArrowAnnotateTool.toolName,
  erase: OwnEraserTool.toolName,
  crosshairs: CrosshairsTool.toolName,
}
const DRAWING: Tool[] = ['length', 'angle', 'bidirectional', 'ellipse', 'rectangle', 'probe', 'arrow']
const CROSS: Record<string, string> = { 'mpr-axial': '#e8b04a', 'mpr-sagittal': '#4aa8ff', 'mpr-coronal': '#58c98b' }

function askWords(done: (words: string | null) => void): void {
  view.set({
    asking: (words) => {
      view.set({ asking: undefined })
      done(words)
    },
  })
}

/** New words for an arrow; not for somebody else's. */
function changeWords(arrow: { annotationUID?: string }, _: unknown, done: (words: string | null) => void): void {
  if (isReadOnly(arrow.annotationUID)) view.say('measured.foreign')
  else askWords(done)
}

/** Register every tool class; once per page. */
export function addTools(): void {
  const all = [
    WindowLevelTool, StackScrollTool, PanTool, ZoomTool, LengthTool, AngleTool, BidirectionalTool, EllipticalROITool,
    RectangleROITool, ProbeTool, ArrowAnnotateTool, OwnEraserTool, CrosshairsTool, PlanarRotateTool, TrackballRotateTool,
  ]
  for (const tool of all) addTool(tool)
  const usual = annotation.config.style.getDefaultToolStyles() as { global: object }
  annotation.config.style.setDefaultToolStyles({
    global: {
      ...usual.global,
      color: '#ffd166',
      colorHighlighted: '#ffffff',
      colorSelected: '#7fdbff',
      lineWidth: '1.5',
      lineDash: '',
      shadow: true,
      textBoxBackground: 'rgba(0, 0, 0, 0.55)',
      textBoxFontFamily: 'Inter, "Segoe UI", "Noto Sans CJK SC", sans-serif',
      textBoxFontSize: '13px',
      textBoxColor: '#ffd166',
      textBoxColorHighlighted: '#ffffff',
      textBoxColorSelected: '#7fdbff',
      textBoxLinkLineWidth: '1',
      textBoxLinkLineDash: '2,3',
    },
  } as never)
}

function planeGroup(id: string): ToolTypes.IToolGroup {
  const known = ToolGroupManager.getToolGroup(id)
  if (known) return known
  const group = ToolGroupManager.createToolGroup(id) as ToolTypes.IToolGroup
  for (const tool of ['window', 'scroll', 'pan', 'zoom', 'erase'] as const) group.addTool(NAMES[tool])
  for (const tool of DRAWING) {
    const words = tool === 'arrow' ? { getTextCallback: askWords, changeTextCallback: changeWords } : {}
    group.addTool(NAMES[tool], { ...words, ...measureLines(tool) })
  }
  group.addTool(PlanarRotateTool.toolName)
  if (id === REFORMATS) {
    group.addTool(NAMES.crosshairs, {
      getReferenceLineColor: (viewport: string) => CROSS[viewport] ?? '#cccccc',
      getReferenceLineControllable: () => true,
      getReferenceLineDraggableRotatable: () => true,
      getReferenceLineSlabThicknessControlsOn: () => false,
    })
  }
  return group
}

function spaceGroup(): ToolTypes.IToolGroup {
  const known = ToolGroupManager.getToolGroup(SPACE)
  if (known) return known
  const group = ToolGroupManager.createToolGroup(SPACE) as ToolTypes.IToolGroup
  for (const tool of [TrackballRotateTool, PanTool, ZoomTool]) group.addTool(tool.toolName)
  group.setToolActive(TrackballRotateTool.toolName, { bindings: [{ mouseButton: MouseBindings.Primary }] })
  group.setToolActive(PanTool.toolName, { bindings: [{ mouseButton: MouseBindings.Auxiliary }] })
  const zoom = [{ mouseButton: MouseBindings.Secondary }, { mouseButton: MouseBindings.Wheel }]
  group.setToolActive(ZoomTool.toolName, { bindings: zoom })
  return group
}

/** The group of a kind of viewport, made when it is asked for first. */
export function groupOf(id: string): ToolTypes.IToolGroup {
  if (id === SPACE) return spaceGroup()
  const group = planeGroup(id)
  bind(group, view.get().tool)
  return group
}

function bind(group: ToolTypes.IToolGroup, tool: Tool): void {
  for (const each of Object.keys(NAMES) as Tool[]) {
    const name = NAMES[each]
    if (!group.hasTool(name)) continue
    if (each === 'crosshairs' && group.getViewportIds().length < 3) group.setToolDisabled(name)
    else if (each === 'crosshairs' && tool !== each) group.setToolEnabled(name) // seen, but not in the way of drawing
    else group.setToolPassive(name, { removeAllBindings: true })
  }
  const there = group.hasTool(NAMES[tool]) && (tool !== 'crosshairs' || group.getViewportIds().length === 3)
  const chosen = there ? tool : 'window'
  const primary = { mouseButton: MouseBindings.Primary }
  const held: Record<string, object[]> = {
    [NAMES.scroll]: [{ mouseButton: MouseBindings.Wheel }],
    [NAMES.pan]: [{ mouseButton: MouseBindings.Auxiliary }, { mouseButton: MouseBindings.Primary, modifierKey: KeyboardBindings.Ctrl }],
    [NAMES.zoom]: [{ mouseButton: MouseBindings.Secondary }],
    [NAMES.window]: [{ mouseButton: MouseBindings.Primary, modifierKey: KeyboardBindings.Shift }],
  }
  held[NAMES[chosen]] = [primary, ...(held[NAMES[chosen]] ?? [])]
  for (const [name, bindings] of Object.entries(held)) group.setToolActive(name, { bindings } as never)
}

/** Put a tool under the left button everywhere. */
export function chooseTool(tool: Tool): void {
  view.set({ tool })
  for (const id of [PLANES, REFORMATS]) {
    const group = ToolGroupManager.getToolGroup(id)
    if (group) bind(group, tool)
  }
}

/** Let crosshairs begin once all three planes are there. */
export function showCrosshairs(): void {
  const group = ToolGroupManager.getToolGroup(REFORMATS)
  if (group && group.getViewportIds().length === 3) bind(group, 'crosshairs')
  view.set({ tool: 'crosshairs' })
}

interface Cross {
  toolCenter: Vec
  setToolCenter: (at: Vec) => void
}

function cross(): Cross | undefined {
  const group = ToolGroupManager.getToolGroup(REFORMATS)
  return group?.hasTool(NAMES.crosshairs) ? (group.getToolInstance(NAMES.crosshairs) as Cross) : undefined
}

/** Where the three planes meet. */
export function centreOf(): Vec | undefined {
  const at = cross()?.toolCenter
  return at && (Array.from(at) as Vec)
}

/** Let the three planes meet at a point. */
export function centreAt(position: Vec): void {
  cross()?.setToolCenter(position)
}

/** Forget the groups when the page closes. */
export function endTools(): void {
  for (const id of [PLANES, REFORMATS, SPACE]) ToolGroupManager.destroyToolGroup(id)
}

export function toolName(tool: Tool): string {
  return NAMES[tool]
}

export function toolOf(name: string): Tool | undefined {
  return DRAWING.find((tool) => NAMES[tool] === name)
}
