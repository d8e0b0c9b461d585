"""The field's words in German, Spanish, French, Italian, Portuguese, Russian, Chinese and Japanese.

The built-in embedder knows English alone, so these say which family of ``lexicon.py`` a word belongs to.
Roots are written without accents. One of up to three letters is a whole word, and so is one that ends in
``$``.
"""

from __future__ import annotations

ROOTS = {
    "floor": "abschneid kappen beschneid null$ recort cero tronqu zero tronc troncar nullo ceifar отсе "
    "обрез отрицат ноль нуля нуле нулю нулем",
    "discount": "abzins diskont vergess descont descuent olvid escompt oubli scont dimentic esquec "
    "дисконт забы",
    "early": "fruh anfang$ anfangs altes$ alten$ tempran antigu antic antig primer viejo precoc ancien "
    "primi$ vecchi ранн стар$ старых$ старые$ первы первых",
    "average": "mittel durchschnitt promedi media$ medio$ moyenn средн усредн",
    "weigh": "gewicht ponder pesos$ peso$ pesi$ pesar poids$ взвеш веса$ весов$ весами$ вес",
    "predict": "errat$ erraten raten$ adivin devin indovin угад vorhersag vorherseh vorausse antizip "
    "predec predic predir pronost anticip preved prevision prever$ previs предсказ прогноз "
    "оптимис",
    "alternate": "turnarse turnos$ alternat abwechs gleichzeit nacheinander simult sucesiv altern очеред "
    "поочеред одноврем",
    "restart": "neustart neu neubegin reinici recomenz recommenc redemarr ricominc riavvi recomec "
    "перезап сброс заново",
    "overflow": "numeric unbestimmt ungultig uberlauf desbord deborde transbord invalid переполн недопуст",
    "cost": "kosten aufwand rechenzeit rechnen teuer costos caro$ calcul tarda cout$ couts$ couteux "
    "costo$ custo затрат стоимост дорог вычисл",
    "combine": "eltern$ kinder$ padres$ hijo hija parents$ enfant genitor figli pais$ filho родител "
    "потом kreuz cruz crois incroc combin скрещ комбин",
    "noise": "rausch ruido bruit rumore$ aleatori шум шума$ шуме$ шумом$ случайн",
    "scale": "escal riscal skali einheit escala echelle scala$ massstab unidad unite$ unita$ масштаб единиц",
    "power": "wurzel raiz racine radice potenz potenc puissance степен корень корня",
    "diverge": "instab diverg oszill schwank oscil неустойч расход колеб",
    "fast": "schnell beschleun rapid acceler accelera aceler veloc fretta быстр ускор",
    "harm": "schad schlecht langsam verlangsam peor$ empeor perjud lento$ lenta$ lent$ lente$ ralent "
    "nuit$ peggio nuoce danno$ danneggi piora atras rallent замедл вредит хуже медлен",
    "help": "hilf hilft nutz nutzlich verbess ayuda mejor util$ utile utiles aide$ amelior aiuta "
    "miglior giova ajuda melhor conviene помог полез улучш",
    "diverse": "vielfalt diversi varieda variete разнообраз",
    "policy": "politik politic politiq estrateg strateg политик стратег",
    "reward": "pago$ pagos$ pagament auszahlung belohn auszahl recompens ganancia paiement gain$ "
    "ricompens выигрыш наград",
    "delay": "verzoger spater tarde$ tardif retard retras atras ritard задерж поздн замедл",
    "last": "letzt ultim dernier derni послед",
    "momentum": "tragheit impuls inerc inerti inerzi импульс инерц",
    "large": "gross grand$ grands$ grande grandes gran$ больш",
    "small": "klein petit pequen piccol малы маленьк",
    "sensitive": "empfindlich sensib чувствит",
    "simple": "einfach entfern sencill semplic enlever rimuov упрост удал прост",
    "converge": "konverg converg сход сходим",
    "regret": "regret bedauern reue arrepent rimpiant сожал",
    "update": "updat aktualis actualiz aggiorn atualiz обновл",
    "step": "step schritt paso$ pasos$ pas$ passo passi$ шаг шага$ шаги$ шагов$",
    "game": "game spiel$ spiele$ spielen$ juego jeu jeux$ gioco$ giochi$ jogo игра игры играх",
}
"""Family -> roots. Those of English words too that need no other name than the family's."""

PHRASES = {
    "floor": "截断 裁剪 负 零 切り捨 切り詰 ゼロ 負",
    "discount": "折扣 折现 衰减 遗忘 割り引 割引 減衰 忘れ",
    "early": "早期 初期 最初 旧 古い 過去 过去",
    "average": "平均",
    "weigh": "加权 权重 重み 二次",
    "predict": "乐观 预测 楽観 予測",
    "alternate": "交替 轮流 依次 同时 交互 同時",
    "softmax": "指数",
    "restart": "重启 重置 重新开始 再開 リセット",
    "overflow": "溢出 无穷 非数 オーバーフロー",
    "cost": "成本 耗时 计算 コスト 計算",
    "combine": "交叉 杂交 组合 組み合わせ 組合せ",
    "noise": "噪声 噪音 扰动 随机 ノイズ 雑音",
    "scale": "缩放 尺度 单位 スケール 単位",
    "power": "平方根 幂 累乗 冪",
    "diverge": "发散 振荡 不稳定 発散 振動 不安定",
    "fast": "加快 加速 更快 较快 快 速く 速い 早く",
    "harm": "有害 变差 更差 变慢 减慢 慢 悪化 遅",
    "help": "有用 有帮助 帮助 改进 提升 有效 役立 効果 有効 助け",
    "diverse": "多样 多様",
    "policy": "策略 方策 戦略",
    "reward": "奖励 收益 報酬 利得",
    "delay": "延迟 推迟 遅",
    "last": "最后 最後 最終",
    "momentum": "动量 惯性 慣性 モーメンタム",
    "large": "较大 很大 过大 大き",
    "small": "较小 很小 小さ",
    "sensitive": "敏感",
    "simple": "简化 简单 删除 単純 削除",
    "converge": "收敛 収束",
    "regret": "遗憾 后悔 後悔",
    "update": "更新",
    "step": "步长 ステップ",
    "game": "游戏 博弈 ゲーム",
}
"""Family -> words of Chinese and Japanese, which leave no spaces between them."""

COMMON = frozenset(
    "aber al als am an ao aos as au auf aus aux avec bei bis ce ces che chi com comment como con cual "
    "cuando da dans das dass de dei del della delle dem den der des di die do donde dos du durch e ein "
    "eine einen einer el elle em en entre entstehen es est esta este et faut fur gli hat hay i ich il ils "
    "im in ist je kann la las le les leur lo los ma mais man mas mit mitad na nach nao nas ne nel nella "
    "nicht no non nos o oder os ou par para passe pela pelo per pero piu plus por pour quais quali quand "
    "quando que quel quelle qui sa sao se ses si sich sin sind so soll sollen son sono sont su sur sus t "
    "trop uberall um uma un una und une uno uns von vor wann war warum was welche welcher wenn wer wie "
    "wird wo y ya zu zum zur а без бы в во все для до если же за и из или к как ко ли между на не но о об "
    "от по при с со то у что это".split()
) | frozenset("的了吗呢会在是和把将与哪个怎样应该更吧可以能么什不之于对及到")
"""What every text has."""

NEGATIONS = frozenset(
    "nicht kein keine keinen keinem keiner nie niemals weder ohne ni nunca jamas sin nada ningun ninguna "
    "tampoco ne pas jamais aucun aucune sans rien non mai senza nessun nessuna niente nao nunca sem nenhum "
    "nenhuma не нет ни без никогда нельзя".split()
)
