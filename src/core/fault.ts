/** Why a strategy's answer was not used. */
export type Fault = 'threw' | 'returned no candidate';
