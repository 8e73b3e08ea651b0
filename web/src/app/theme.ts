// SPDX-License-Identifier: Apache-2.0
// Dark, compact, calm. Contrast of the text colours on the background is at least 4.5:1.
import { theme, type ThemeConfig } from 'antd'

type SeedToken = Parameters<typeof theme.darkAlgorithm>[0]
type MapToken = ReturnType<typeof theme.darkAlgorithm>

type Derive = (seed: SeedToken, map?: MapToken) => MapToken

/** The compact algorithm makes texts too small to read at arm's length: only its spaces are taken. */
const readable: Derive = (seed, map) => ({
  ...theme.compactAlgorithm(seed, map),
  fontSize: 13,
  fontSizeSM: 12,
  fontSizeLG: 14,
  fontSizeXL: 17,
  lineHeight: 1.5,
  controlHeight: 28,
  // white on it has 4.9:1; as a text colour the lighter blue of links is used instead
  colorPrimary: '#1f6fc4',
  colorPrimaryHover: '#1a63b0', // darker: what is pointed at stays readable
  colorPrimaryActive: '#195ca3',
  colorError: '#ff7b7b',
  colorErrorHover: '#ff9c9c',
})

const BLUE = '#6bb6ff'

export const hvTheme: ThemeConfig = {
  algorithm: [theme.darkAlgorithm, readable],
  cssVar: { key: 'hv' },
  token: {
    colorInfo: '#4aa8ff',
    colorLink: '#6bb6ff',
    colorBgBase: '#0b0f14',
    colorBgContainer: '#10161e',
    colorBgElevated: '#161e29',
    colorBorder: '#2b3848',
    colorBorderSecondary: '#1d2733',
    colorText: '#dfe7f0',
    colorTextSecondary: '#b3c0cf',
    colorTextTertiary: '#93a4b8',
    colorTextDescription: '#93a4b8',
    colorTextPlaceholder: '#8496aa',
    colorTextDisabled: '#8091a5',
    borderRadius: 4,
    fontSize: 13,
    fontFamily: 'Inter, "Segoe UI", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif',
    motionDurationMid: '0.12s',
    motionDurationSlow: '0.16s',
  },
  components: {
    Table: { headerBg: '#131b25', headerColor: '#b3c0cf', rowHoverBg: '#16202c', cellPaddingBlockSM: 5 },
    Layout: { headerBg: '#0e141b', headerHeight: 44, headerPadding: '0 16px' },
    Menu: {
      darkItemBg: '#0e141b',
      horizontalLineHeight: '44px',
      itemSelectedColor: BLUE,
      horizontalItemSelectedColor: BLUE,
      itemSelectedBg: '#14273a',
    },
    Tabs: { itemSelectedColor: BLUE, itemHoverColor: BLUE, itemActiveColor: BLUE, inkBarColor: BLUE },
    Select: { optionSelectedBg: '#14273a' },
    Button: { defaultHoverColor: BLUE, defaultHoverBorderColor: BLUE, defaultActiveColor: BLUE, defaultActiveBorderColor: BLUE },
  },
}
