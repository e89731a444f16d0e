"""What a rule says, in words, in Chinese or English: told from its structure, whatever its id. Pure.

English is each rule's own `says`; both languages add on what conditions it holds. Chinese has a word for every word
of the closed lists of a pack's file; a test insists on that.
"""

from collections.abc import Callable, Iterable, Sequence

from babel import Locale

from campaigns.limits import CountedEvent, Key, Period
from campaigns.rulebase import DEFAULT_DAYS, DaysPastDue, Mode, RuleBase, Stage, Waive
from campaigns.rules import (
    AnyRule,
    Cap,
    Consent,
    Content,
    Cooloff,
    ExclusiveChannel,
    NumberCheck,
    OptOut,
    Part,
    Party,
    Ratio,
    Retention,
    Ring,
    Role,
    Said,
)  # fmt: skip
from campaigns.window import WEEKDAYS, Opening, Weekday, Window

CHANNELS: dict[str, str] = {"voice": "电话", "sms": "短信", "letter": "信函", "visit": "上门"}
ROLES: dict[Role, str] = {"borrower": "借款人", "guarantor": "保证人"}
SAID: dict[Said, str] = {
    "lender": "机构名称", "lender_phone": "机构电话", "name": "对方姓名", "due_on": "到期日", "amount": "金额",
    "pay_to": "还款账户",
}  # fmt: skip
PARTS: dict[Part, str] = {"call": "电话开场白", "message": "短信", "voicemail": "语音留言"}
EVENTS: dict[CountedEvent, str] = {
    "placed": "拨出", "network_fail": "未能接入", "rang_out": "振铃未接", "voicemail_left": "语音信箱",
    "connected": "接通", "conversation": "真人通话", "abandoned": "弃呼", "sms_submitted": "短信提交",
    "sms_sent": "短信发出", "delivered": "短信送达", "inbound": "对方来电或来信", "notice": "书面通知",
}  # fmt: skip
"""What a contact showed."""
KEYS: dict[Key, str] = {
    "person": "每人", "debt": "每笔债务", "account": "每笔债务", "number": "每个号码",
    "campaign": "每个活动", "creditor": "",
}  # fmt: skip
DAYS: dict[Weekday, str] = dict(zip(WEEKDAYS, ("周一", "周二", "周三", "周四", "周五", "周六", "周日"), strict=True))
STAGES: dict[Stage, str] = {"pre_due": "未到期", "overdue": "已逾期", "default": f"逾期超过{DEFAULT_DAYS}天"}
MODES: dict[Mode, str] = {"notify": "单向告知", "interactive": "可应答"}
LINES: dict[str, str] = {"mobile": "手机", "fixed": "固定电话", "voip": "网络电话"}
WAIVES: dict[Waive, str] = {
    "direct_prior_consent": "对方事先直接同意", "agreed_frequency": "对方另行约定联系次数",
    "agreed_hours": "对方另行约定联系时间", "express_consent": "对方明示同意", "reply": "系答复对方来信",
}  # fmt: skip
WAIVED: dict[Waive, str] = {
    "direct_prior_consent": "the person consented directly before", "agreed_frequency": "the person agreed otherwise",
    "agreed_hours": "the person agreed to other hours", "express_consent": "the person expressly consented",
    "reply": "it confirms the person's own stop",
}  # fmt: skip
_UNITS = {"minutes": "分钟", "hours": "小时", "days": "天"}
_POOLS = {"creditor": "债权人", "agents": "受托机构"}


def is_chinese(language: str) -> bool:
    """Whether Chinese is told in a language, such as zh-CN; every other one is told English."""
    return language.lower().startswith("zh")


def says(rule: AnyRule, language: str) -> str:
    """The rule in words: what it permits or demands, and on what conditions it holds."""
    if not is_chinese(language):
        return f"{rule.says}{_conditions(rule)}"
    return f"{_when(rule)}{_OF[type(rule)](rule)}{_unless(rule)}"


# --- English: the conditions ---------------------------------------------------------------------------------------


def _conditions(rule: RuleBase) -> str:
    told = []
    if stages := _stages(rule):
        names = {"pre_due": "not yet due", "overdue": "overdue", "default": f"more than {DEFAULT_DAYS} days overdue"}
        told.append(f"while a debt is {' or '.join(names[one] for one in stages)}")
    if bounds := rule.days_past_due:
        told.append(_past_due(bounds))
    if rule.mode:
        names = {"notify": "that only tell", "interactive": "that take answers"}
        told.append(f"for contacts {' or '.join(names[one] for one in rule.mode)}")
    if rule.line_type and not isinstance(rule, Consent):
        told.append(f"to {' or '.join(rule.line_type)} numbers")
    if waived := [WAIVED[one] for one in rule.waive]:
        limit = f", for {rule.waive_dates} dates" if rule.waive_dates else ""
        told.append(f"unless {' or '.join(waived)}{limit}")
    if rule.on_breach == "warn":
        told.append("a breach only warns")
    return "".join(f"; {one}" for one in told)


def _stages(rule: RuleBase) -> tuple[Stage, ...]:
    """Those of the rule; a debt in default is overdue, so beside `overdue` it need not be told."""
    return tuple(one for one in rule.stage if one != "default" or "overdue" not in rule.stage)


def _past_due(bounds: DaysPastDue) -> str:
    least = f"at least {bounds.min} days" if bounds.min is not None else ""
    most = f"at most {bounds.max} days" if bounds.max is not None else ""
    return f"while a debt is {' and '.join(filter(None, (least, most)))} overdue"


# --- Chinese ---------------------------------------------------------------------------------------------------------


def _or(words: Iterable[str]) -> str:
    return "或".join(dict.fromkeys(words))


def _list(words: Iterable[str]) -> str:
    return "、".join(dict.fromkeys(words))


def _when(rule: RuleBase) -> str:
    """On what conditions it holds, in front of it."""
    told = [_or(STAGES[one] for one in stages)] if (stages := _stages(rule)) else []
    if bounds := rule.days_past_due:
        least = f"逾期不少于{bounds.min}天" if bounds.min is not None else ""
        most = f"逾期不超过{bounds.max}天" if bounds.max is not None else ""
        told.append("且".join(filter(None, (least, most))))
    debt = f"债务{'、'.join(told)}时，" if told else ""
    numbers = rule.line_type if not isinstance(rule, Consent) else ()
    noun = CHANNELS[rule.channels[0].value] if len(rule.channels) == 1 else "联系"
    which = f"{_or(MODES[one] for one in rule.mode)}的{noun}" if rule.mode else ""
    to = f"联系{_or(LINES[one] for one in numbers)}号码" if numbers else ""
    contact = f"{'，'.join(filter(None, (which, to)))}：" if which or to else ""
    return f"{debt}{contact}"


def _unless(rule: RuleBase) -> str:
    """What lifts it, behind it."""
    limit = f"（自同意之日起{rule.waive_dates}天内有效）" if rule.waive_dates else ""
    told = f"；{_or(WAIVES[one] for one in rule.waive)}的除外{limit}" if rule.waive else ""
    return f"{told}；违反时仅提示" if rule.on_breach == "warn" else told


def _do(rule: RuleBase) -> str:
    """What it limits, as a deed: to call, to write, or either."""
    return _DEEDS[rule.channels[0]] if len(rule.channels) == 1 else "联系"


_DEEDS: dict[str, str] = {"voice": "拨打电话", "sms": "发送短信"}


def _whose(key: Iterable[Key]) -> str:
    told = list(dict.fromkeys(KEYS[one] for one in KEYS if one in key and KEYS[one]))
    return "就".join(told) if len(told) > 1 else "".join(told)


def _opening(entry: Opening) -> str:
    named = {"all": "每天", "holidays": "公共假日", "workdays": "工作日"}
    days = named[entry.days] if isinstance(entry.days, str) else _weekdays(entry.days)
    return f"{days} {entry.from_:%H:%M}–{entry.until:%H:%M}"


def _weekdays(days: Sequence[Weekday]) -> str:
    first, last = WEEKDAYS.index(days[0]), WEEKDAYS.index(days[-1])
    if len(days) > 2 and WEEKDAYS[first : last + 1] == tuple(days):
        return f"{DAYS[days[0]]}至{DAYS[days[-1]]}"
    return _list(DAYS[day] for day in days)


def _place(calendar: str) -> str:
    """A holiday calendar's country in Chinese; a part of one keeps its code: 加拿大（CA-ON）."""
    country, _, part = calendar.partition("-")
    named = str(Locale("zh").territories.get(country, country))
    return f"{named}（{calendar}）" if part else named


def _window(rule: Window) -> str:
    hours = "，".join(_opening(entry) for entry in rule.open)
    closed = rule.has_holidays and all(entry.days != "holidays" for entry in rule.open)
    whose = _place(rule.holidays) if rule.holidays else ""
    none = f"，{whose}公共假日不得{_do(rule)}" if closed else f"（{whose}公共假日）" if whose else ""
    where = "以对方可能所在的所有时区为准" if rule.zones == "all_candidates" else "以对方登记的时区为准"
    return f"仅可于{hours} {_do(rule)}{none}，{where}"


def every(period: Period) -> str:
    """The period that a cap counts in: 每天, 任意24小时内."""
    count = period.length
    unit = _UNITS[period.unit]
    match period.type:
        case "calendar_day":
            return "每天" if count == 1 else f"每{count}个自然日"
        case "calendar_week":
            return "每周" if count == 1 else f"每{count}周"
        case "calendar_month":
            return "每月" if count == 1 else f"每{count}个月"
        case "consecutive_dates":
            return "每天" if count == 1 else f"连续{count}天内"
        case "anchored_first":
            return f"自首次起{count}{unit}内"
        case _:
            return f"任意{count}{unit}内"


def _after(period: Period, event: str) -> str:
    """The pause that follows an event: 拨出后1小时内, 通话当日起7天内."""
    count = period.length
    match period.type:
        case "rolling_elapsed":
            return f"{event}后{count}{_UNITS[period.unit]}内"
        case "anchored_first":
            return f"首次{event}起{count}{_UNITS[period.unit]}内"
        case "calendar_week":
            return f"{event}{'后的' if period.day_one == 'next' else '当周起'}{count}周内"
        case "calendar_month":
            return f"{event}{'后的' if period.day_one == 'next' else '当月起'}{count}个月内"
        case _:
            first = "次日" if period.day_one == "next" else "当日"
            return f"{event}{first}" if count == 1 else f"{event}{first}起{count}天内"


def _counted(rule: Cap) -> str:
    """`接通3次电话`; where several things count: `3次联系（计入：接通、短信送达）`."""
    channels: tuple[str, ...] = rule.count_channels or rule.channels
    noun = _list(CHANNELS[one] for one in channels)
    if rule.count == ("placed",):
        verb: dict[tuple[str, ...], str] = {("voice",): f"拨打{rule.max}次电话", ("sms",): f"发送{rule.max}条短信"}
        return verb.get(channels, f"联系{rule.max}次（{noun}合计）")
    if channels == ("voice",) and len(rule.count) == 1 and rule.count[0] in _SIMPLE:
        return _SIMPLE[rule.count[0]].format(rule.max)
    return f"联系{rule.max}次（{noun}；计入{_list(EVENTS[one] for one in rule.count)}）"


_SIMPLE: dict[CountedEvent, str] = {"connected": "接通{}次电话", "conversation": "与对方通话{}次"}


def _cap(rule: Cap) -> str:
    whose = f"，仅计{_list(_POOLS[one] for one in rule.pool)}的联系" if len(rule.pool) == 1 else ""
    since = f"，自首次{EVENTS[rule.armed_by]}起计" if rule.armed_by else ""
    return f"{_whose(rule.key)}{every(rule.period)}最多{_counted(rule)}{since}{whose}"


def _event(rule: Cooloff | ExclusiveChannel) -> str:
    """What the pause follows, with its channels and who began it where the rule says."""
    channels = rule.after.channels
    over = f"（{_list(CHANNELS[one] for one in channels)}）" if channels else ""
    ours = "本方" if rule.after.direction == "outbound" else ""
    # One calls, but does not call a letter.
    made = "联系" if rule.after.event == "placed" and (channels or rule.channels) != ("voice",) else ""
    return f"{ours}{made or EVENTS[rule.after.event]}{over}"


def _cooloff(rule: Cooloff) -> str:
    debt = "就同一笔债务" if {"debt", "account"} & {*rule.key} else ""
    if rule.required:
        return f"{debt}须先有{_event(rule)}，且{_after(rule.period, '通知')}不得{_do(rule)}"
    number = "向同一号码" if "number" in rule.key else ""
    return f"{_after(rule.period, _event(rule))}，不得再{debt}{number}{_do(rule)}"


def _exclusive(rule: ExclusiveChannel) -> str:
    return f"{_after(rule.period, _event(rule))}，只可沿用该次的联系方式"


def _optout(rule: OptOut) -> str:
    words = f"对方回复{_list(rule.words)}即视为拒绝联系" if rule.words else ""
    if not rule.offered:
        return words or "对方表示拒绝的，即视为拒绝联系"
    many = {"电话": "每次电话", "短信": "每条短信"}.get(_list(CHANNELS[one.value] for one in rule.channels), "每次联系")
    return f"{many}须提供拒绝联系的方式{'；' if words else ''}{words}"


def _content(rule: Content) -> str:
    told = []
    if rule.begins:
        told.append(f"开头须说明{_list(SAID[one] for one in rule.begins)}")
    if rule.says_all:
        told.append(f"须说明{_list(SAID[one] for one in rule.says_all)}")
    if rule.forbids:
        told.append(f"不得透露{_list(SAID[one] for one in rule.forbids)}")
    if rule.texts:
        told.append("只可使用规则包的限定内容，否则不留言")
    return f"{_list(PARTS[one] for one in rule.parts)}：{'；'.join(told)}"


def _consent(rule: Consent) -> str:
    to = f"向{_or(LINES[one] for one in rule.line_type)}号码" if rule.line_type else ""
    return f"未经对方明示同意，不得{to}{_do(rule)}"


def _party(rule: Party) -> str:
    return f"仅可向{_or(ROLES[one] for one in rule.roles)}{_do(rule)}" if _do(rule) != "联系" else (
        f"仅可联系{_or(ROLES[one] for one in rule.roles)}"
    )  # fmt: skip


def _number_check(rule: NumberCheck) -> str:
    return f"号码未在最近{rule.max_age_days}天内核验的，不得{_do(rule)}"


_OF: dict[type[RuleBase], Callable[..., str]] = {
    Window: _window,
    Cap: _cap,
    Cooloff: _cooloff,
    ExclusiveChannel: _exclusive,
    Party: _party,
    Consent: _consent,
    OptOut: _optout,
    Content: _content,
    Ring: lambda rule: f"电话至少振铃{rule.min_s}秒",
    NumberCheck: _number_check,
    Ratio: lambda rule: f"活动在{rule.days}天内的弃呼不得超过真人接听电话的{rule.max_percent}%",
    Retention: lambda rule: f"记录至少保存{rule.keep_days}天",
}
"""Rule kind → its words in Chinese."""
