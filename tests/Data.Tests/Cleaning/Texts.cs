using System.Text;
using ElasticTrain.Data.Cleaning;

namespace ElasticTrain.Data.Tests.Cleaning;

/// <summary>Correct text in many scripts, with everything that looks like broken text and is none.</summary>
internal static class Texts
{
    /// <summary>Text that has broken forms: each line has a character beyond ASCII.</summary>
    internal static readonly string[] Breakable =
    [
        "Le café est à côté de l’école, déjà fermé à Noël ; où êtes-vous ?",
        "Für größere Übungen heißt es: „Öl und Äpfel“ – schön, nicht wahr?",
        "El niño comió piñas mañana; ¿qué pasó con el pingüino? ¡Olé!",
        "Não há ninguém à mesa; o avô e a avó vão à praça: maçã, coração.",
        "Příliš žluťoučký kůň úpěl ďábelské ódy.",
        "Zażółć gęślą jaźń, a łódź płynie.",
        "Árvíztűrő tükörfúrógép.",
        "Smörgåsbord på svenska, blåbærsyltetøy på norsk.",
        "Îți place să mănânci înghețată? Și mie.",
        "Pijamalı hasta yağız şoföre çabucak güvendi.",
        "Съешь ещё этих мягких французских булок, да выпей чаю.",
        "Жебракують філософи при ґанку церкви в Гадячі, ще й шатро їхнє п’яне знаємо.",
        "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
        "עטלף אבק נס דרך מזגן שהתפוצץ כי חם",
        "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر",
        "می‌خواهم به خانه بروم.",
        "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता",
        "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า",
        "我能吞下玻璃而不伤身体。机器学习模型需要大量数据。",
        "いろはにほへと ちりぬるを。モデルの学習。",
        "키스의 고유조건은 입술끼리 만나야 하고",
        "Tiếng Việt có nhiều dấu: ấ, ề, ỗ, ữ.",
        "“Quoted,” she said—it’s ‘fine’… 50 € or 30 £ • ™ © ®",
        "x ≤ y → z ∈ ℝ, ∑ aᵢ² ≈ ½ ± 0.1 µm, 20 °C",
        "┌─┬─┐ │ box │ └─┴─┘",
        "Emoji 🙂 👩‍💻 🇩🇪 ❤️ done",
    ];

    /// <summary>What must never be taken for broken text.</summary>
    internal static readonly string[] Tempting =
    [
        "«\u00A0café\u00A0»", "Il a dit «\u00A0été\u00A0» et «\u00A0à\u00A0».", "café\u00A0» dit-il", "NESCAFÉ® and NESCAFÉ™ and CAFÉ©", "“CAFÉ”", "PÂTÉ… voilà…",
        "Der „Spaß“ ist groß”, sagte er.", "Spaß“ sagte er", "2×½ inch, 3×¼, Ø½\" pipe, Ø¾", "1.54 Å±0.02, 10 Å², 4 Å³, 5 Å–6 Å", "TÝŽDEŇ, MÚŽ, KÔŠ, ÚŽASNÝ", "É…", "ROMÂ… VOILÀ…",
        "À Á Â Ã Ä Å Æ Ç È É Ê Ë Ì Í Î Ï Ð Ñ Ò Ó Ô Õ Ö × Ø Ù Ú Û Ü Ý Þ ß", "¡¢£¤¥¦§¨©ª«¬®¯°±²³´µ¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇ", "MAÇÃ® MAÇÔ IRMû", "São Paulo, SÃO PAULO, MAÇÃ, MANHÃ.",
        "la lettre Â\u00A0: circonflexe", "á”… é’” ê…»", "à\u00A0½\u00A0mille, à\u00A0§\u00A03, évalué\u00A0€", "D’Ã’S", "Ð ð Þ þ Æ æ", "var x = a[i] << 3; // Größe", "s = 'naïve'; print(f\"{s!r}\")",
        "Ã", "â", "Â", "â€ is what broken quotes look like", "ÿ þ", "Ü”, sagte er", "Übergrößenträger»", "Ñ¿Qué?", "JOSÉ¡OLÉ!", "a²+b²=c²", "ÉTÉ²", "été³, café⁴",
    ];

    internal static string Broken(string text) => Windows1252.Misread(Encoding.UTF8.GetBytes(text));

    internal static string BrokenAsLatin1(string text) => Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(text));
}
