// SPDX-License-Identifier: Apache-2.0
// The viewer's face: one component, jumping, priors. Nothing else of it is for others.
export { Viewer } from './viewer'
export { jumpTo } from './jumping'
export { openPrior, type StudyToOpen } from './opening'
export { useViewer, type Target } from './store'
export { startEngine } from './engine'
